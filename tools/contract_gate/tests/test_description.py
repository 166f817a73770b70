"""What is read of a description."""

import pytest

from contract_gate.description import HEADER, Row, description_of, row_told
from contract_gate.plan import Mode

LINE = "| --- | --- | --- | --- |"
PAGE = "docs/contracts/reads.md"


@pytest.mark.parametrize(
    "text",
    [
        f"[reads]({PAGE})",
        f"See {PAGE}.",
        f"`{PAGE}#errors`",
        f"https://example.org/o/r/blob/main/{PAGE}",
        f"[reads](/{PAGE})",
    ],
)
def test_a_page_is_referred_to_by_its_path(text):
    assert description_of(text).refers_to(PAGE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "reads.md",
        f"<!-- {PAGE} -->",
        f"<!-- {PAGE}",
        f"```\n{PAGE}\n```",
        f"{PAGE}x",
        f"{PAGE}.bak",
        f"my{PAGE}",
    ],
)
def test_what_is_commented_out_or_another_path_refers_to_nothing(text):
    assert not description_of(text).refers_to(PAGE)


def test_the_table_is_found_by_its_header_and_rows_that_are_empty_are_none():
    body = f"Before\r\n\r\n| a | b |\r\n| - | - |\r\n| 1 | 2 |\r\n\r\n{HEADER}\r\n{LINE}\r\n| | | | |\r\n"
    read = description_of(body + "| `M.f` | in transit | node | product,  gateway |\r\n")
    assert read.has_table
    assert read.rows == (Row(10, "M.f", "in transit", "node", ("gateway", "product")),)
    assert read.malformed == ()


def test_a_row_that_is_told_is_read_again():
    told = row_told("M.f", "Product SoR", "gateway", ["node", "product"])
    (row,) = description_of(f"{HEADER}\n{LINE}\n{told}").rows
    assert row[1:] == ("M.f", "Product SoR", "gateway", ("node", "product"))


def test_a_line_of_the_table_with_other_cells_is_no_row():
    read = description_of(f"{HEADER}\n{LINE}\n| M.f | Product SoR | gateway |\n\n| not | of | it |")
    assert (read.rows, read.malformed) == ((), (3,))


def test_a_table_in_a_comment_is_none():
    assert not description_of(f"<!--\n{HEADER}\n{LINE}\n-->").has_table


@pytest.mark.parametrize(
    "text", ["Mode: Ask", "mode: ask", "- **Mode:** Ask", "**Mode**: Ask", "> Mode: `Ask`".replace("`", "")]
)
def test_the_mode_stands_on_a_line_of_its_own(text):
    assert description_of(f"Said.\n\n{text}\n").modes == {Mode.ASK}


@pytest.mark.parametrize(
    "text", ["Mode: Ship, Show or Ask", "Mode:", "Mode: Later", "In Mode: Ask", "<!-- Mode: Ask -->"]
)
def test_a_mode_that_is_not_chosen_is_none(text):
    assert description_of(text).modes == frozenset()


def test_who_reviewed_is_named():
    said = "Reviewed by: @a, @b-c\n- **Reviewed-by:** @d\nReviewed by:\nReviewed by: @who\n"
    assert description_of(said).reviewers == ("@a", "@b-c", "@d")


@pytest.mark.parametrize("who", ["c", "-", "@", "@-", "nobody yet", "...", "c@example.org"])
def test_who_is_no_name_has_reviewed_nothing(who):
    assert description_of(f"Reviewed by: {who}\n").reviewers == ()
