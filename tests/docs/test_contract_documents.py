"""What the gates ask of the documents holds here, and what they do not know: the node's own words for Slurm's ends."""

from pathlib import Path

from contract_gate import documents, markdown
from contract_gate.repository import Repository
from slipway_node.aiida.verdicts import SLURM_FAILURES

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "docs" / "contracts" / "execution-event.md"


def test_the_documents_hold() -> None:
    assert documents.judge(Repository(ROOT)).findings == ()


def test_the_runtime_contract_is_accepted() -> None:
    page = ROOT / "docs" / "adr" / "0004-runtime-contract-boundary.md"
    assert "\nStatus: Accepted\n" in page.read_text(encoding="utf-8")


def test_the_table_of_slurms_ends_equals_the_code() -> None:
    section = markdown.page(EVENTS.read_text(encoding="utf-8")).sections(2)["Error semantics"]
    (table,) = [table for table in section.tables() if "told by" in table.columns]
    told = [(row["Slurm's word"], row["error code"], row["retryable"]) for row in table.rows]
    assert told == [
        (f"`{word}`", f"`{code}`", "yes" if retryable else "") for word, (code, retryable) in SLURM_FAILURES.items()
    ]
