"""The gate `docs`: the contract's documents say what the models, the plan and each other say."""

from contract_gate import code_rules, owner_rules, page_rules, surface_rules
from contract_gate.pages import Documents, read
from contract_gate.repository import Repository
from contract_gate.rules import Gate, Report

GATE: Gate[Documents] = Gate("docs")

GATE.rule(
    "document-sections",
    "A surface's page has the twelve sections, in their order, and none of them is empty.",
)(surface_rules.sections)
GATE.rule(
    "contract-index",
    "Each page of the contract has its line in docs/contracts/README.md, and each surface its place in the plan.",
)(surface_rules.index)
GATE.rule(
    "field-tables",
    "The tables of required and optional fields and of answers equal the models, cell by cell.",
)(surface_rules.fields)
GATE.rule(
    "error-tables",
    "The error tables equal the codes; each code is met at some surface, and its page says when.",
)(code_rules.errors)
GATE.rule(
    "word-table",
    "The table of older emitters' words equals what the code makes of them.",
)(code_rules.words)
GATE.rule(
    "sor-tables",
    "The SoR mapping has a row for each field, with one owner, one writer and the place where it is kept.",
)(owner_rules.owners)
GATE.rule(
    "sor-map",
    "The SoR mapping names the owner and the writer of each field that docs/contracts/sor-map.toml does.",
)(owner_rules.as_the_map_says)
GATE.rule(
    "links",
    "Each relative link of each page leads to a file of the repository, and to a heading of it.",
)(page_rules.links)
GATE.rule(
    "command-blocks",
    "Above each block of commands stands who runs it, or why nobody does.",
)(page_rules.commands)
GATE.rule(
    "decisions",
    "Each decision has a status, its sections, the next number, and its line in docs/adr/README.md.",
)(page_rules.decisions)
GATE.rule(
    "rollout-page",
    "The lanes that docs/process/runtime-contract-rollout.md tells are those of docs/process/rollout.toml.",
)(page_rules.rollout)


def judge(repository: Repository, *, without: frozenset[str] = frozenset()) -> Report:
    """Judge a tree's documents by every rule but those of ``without``. Raises GateError."""
    return GATE.judge(read(repository), without=without)
