"""Every decision has a status and says why, what was rejected and what follows."""

import re
from pathlib import Path

import pytest

from . import markdown

ADR = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(ADR.glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Rejected ideas", "Consequences"]
STATUS = re.compile(r"^Status: (Proposed|Accepted|Rejected|Superseded by ADR-\d{4})$", re.MULTILINE)


def shortcomings(text: str) -> list[str]:
    """Return what a decision's page lacks."""
    found = [] if len(STATUS.findall(text)) == 1 else ["it has no single status"]
    if markdown.headings(text, 2) != SECTIONS:
        found.append(f"its sections are {markdown.headings(text, 2)}")
    return found + [f"{name} is empty" for name, body in markdown.sections(text, 2).items() if not body.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_a_status_and_its_sections(page: Path) -> None:
    assert shortcomings(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_is_titled_by_its_number_and_is_in_the_index_with_its_status(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    number = page.name[:4]
    (title,) = markdown.headings(text, 1)
    (status,) = STATUS.findall(text)
    index = {row["page"]: row for row in markdown.table((ADR / "README.md").read_text(encoding="utf-8"))}
    row = index[f"[{number}]({page.name})"]
    assert title == f"ADR-{number}: {row['decision']}"
    assert row["status"] == status


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_runtime_contract_is_accepted() -> None:
    assert "\nStatus: Accepted\n" in (ADR / "0004-runtime-contract-boundary.md").read_text(encoding="utf-8")


class TestTheCheckFinds:
    GOOD = (
        "# ADR-0001: x\n\nStatus: Accepted\n\n## Context\na\n## Decision\nb\n## Rejected ideas\nc\n## Consequences\nd\n"
    )

    def test_nothing_on_a_good_page(self) -> None:
        assert shortcomings(self.GOOD) == []

    def test_a_missing_status(self) -> None:
        assert shortcomings(self.GOOD.replace("Status: Accepted", "")) == ["it has no single status"]

    def test_a_status_that_is_none(self) -> None:
        assert shortcomings(self.GOOD.replace("Accepted", "Maybe")) == ["it has no single status"]

    def test_a_missing_section(self) -> None:
        assert "its sections are" in shortcomings(self.GOOD.replace("## Rejected ideas\nc\n", ""))[0]

    def test_an_empty_section(self) -> None:
        assert shortcomings(self.GOOD.replace("## Decision\nb", "## Decision")) == ["Decision is empty"]
