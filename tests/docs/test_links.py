"""Every relative link of every Markdown page leads somewhere."""

import subprocess
from pathlib import Path

import pytest

from . import markdown

ROOT = Path(__file__).parents[2]


def markdown_pages() -> list[Path]:
    """Return the Markdown pages of the repository, also those not committed yet."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listing.returncode == 0:
        return sorted(path for name in set(listing.stdout.splitlines()) if (path := ROOT / name).exists())
    return sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("*.md"))  # an export without git


@pytest.mark.parametrize("page", markdown_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_relative_links_of_a_page_resolve(page: Path) -> None:
    assert markdown.broken_links(page, ROOT) == []


def test_the_contract_is_among_the_pages() -> None:
    assert ROOT / "docs" / "contracts" / "README.md" in markdown_pages()


class TestTheCheckFinds:
    @pytest.fixture
    def page(self, tmp_path: Path) -> Path:
        (tmp_path / "there.md").write_text("# A heading\n")
        return tmp_path / "page.md"

    @pytest.mark.parametrize("link", ["there.md", "there.md#a-heading", "https://example.org/x", "#own"])
    def test_nothing_in_a_link_that_leads_somewhere(self, page: Path, link: str) -> None:
        page.write_text(f"# Own\n[text]({link})\n")
        assert markdown.broken_links(page, page.parent) == []

    @pytest.mark.parametrize("link", ["gone.md", "there.md#no-heading", "../outside.md", "#gone"])
    def test_a_link_that_leads_nowhere(self, page: Path, link: str) -> None:
        page.write_text(f"# Own\n[text]({link}) and ![picture]({link})\n")
        assert markdown.broken_links(page, page.parent) == [link, link]

    def test_nothing_inside_of_code(self, page: Path) -> None:
        page.write_text("```\n[text](gone.md)\n```\n")
        assert markdown.broken_links(page, page.parent) == []
