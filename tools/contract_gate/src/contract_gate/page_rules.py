"""The rules of all other pages: links, decisions, the rollout's own page. Pure."""

import posixpath
import re
from collections.abc import Iterator

from contract_gate import command_blocks
from contract_gate.comparing import DueRow, differences
from contract_gate.markdown import Part
from contract_gate.pages import Documents
from contract_gate.plan import PLAN, Lane
from contract_gate.rules import Finding, finding

DECISIONS = "docs/adr"
DECISION_SECTIONS = ["Context", "Decision", "Rejected ideas", "Consequences"]
ROLLOUT = "docs/process/runtime-contract-rollout.md"
LANE_COLUMNS = ("step", "lane", "mode", "what lands", "surfaces")

_DECISION = re.compile(rf"{DECISIONS}/(\d{{4}})-[^/]+\.md")
_STATUS = re.compile(r"Status: (.*)")
_STATUSES = re.compile(r"Proposed|Accepted|Rejected|Superseded by ADR-(\d{4})")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def links(documents: Documents) -> Iterator[Finding]:
    """Find relative links that lead to no file of the tree, or to no heading of it."""
    folders = {folder for file in documents.files for folder in _folders(file)}
    for file, page in documents.pages.items():
        for line, target in page.links():
            if _ELSEWHERE.match(target):
                continue
            path, _, anchor = target.partition("#")
            led_to = _led_to(file, path) if path else file
            if led_to not in documents.files | folders:
                yield finding(f"the link {target} leads to no file of the repository", file, line)
            elif anchor and led_to in documents.pages and anchor not in documents.pages[led_to].anchors():
                yield finding(f"the link {target} leads to no heading", file, line)


def commands(documents: Documents) -> Iterator[Finding]:
    """Find blocks of commands of which nobody knows whether they work."""
    pages = {file: page.text for file, page in documents.pages.items()}
    return command_blocks.check(pages, documents.files, documents.scripts)


def _led_to(file: str, path: str) -> str:
    """Return the file that a link of ``file`` leads to; one that begins with / begins at the repository's root."""
    folder = "" if path.startswith("/") else posixpath.dirname(file)
    return posixpath.normpath(posixpath.join(folder, path.lstrip("/")))


def _folders(file: str) -> Iterator[str]:
    while file := posixpath.dirname(file):
        yield file
    yield "."


def decisions(documents: Documents) -> Iterator[Finding]:
    """Find decisions without a status, a section, a number of their own or their line in the index."""
    pages = {match[1]: page for file, page in documents.pages.items() if (match := _DECISION.fullmatch(file))}
    told = documents.pages.get(f"{DECISIONS}/README.md", Part(f"{DECISIONS}/README.md", "", 1, ()))
    due: list[DueRow] = []
    for at, (number, page) in enumerate(sorted(pages.items()), 1):
        if int(number) != at:
            yield finding(f"it is decision {at}: numbers leave no gap", page.file, 1)
        yield from _decision(page)
        statuses = _statuses(page)
        due.append(
            {
                "page": f"[{number}]({posixpath.basename(page.file)})",
                "decision": "".join(page.headings(1)).removeprefix(f"ADR-{number}: "),
                "status": "".join(statuses),
            }
        )
        if page.headings(1) != [f"ADR-{number}: {due[-1]['decision']}"]:
            yield finding(f"its title does not begin with ADR-{number}:", page.file, 1)
        for status in statuses:
            said = _STATUSES.fullmatch(status)
            if said and said[1] and said[1] not in pages:
                yield finding(f"it is superseded by ADR-{said[1]}, which is not there", page.file, 1)
    tables = told.tables()
    if len(tables) != 1:
        yield finding(f"one table of decisions is due, {len(tables)} are there", told.file, 1)
    for table in tables:
        yield from differences("Decisions", told.file, table, due, ("page", "decision", "status"))


def _decision(page: Part) -> Iterator[Finding]:
    statuses = _statuses(page)
    if len(statuses) != 1 or not _STATUSES.fullmatch(statuses[0]):
        told = ", ".join(statuses) or "none"
        wanted = "Proposed, Accepted, Rejected, or Superseded by ADR-NNNN"
        yield finding(f"its status is {told}: one line `Status: ` is due, {wanted}", page.file, 1)
    if page.headings(2) != DECISION_SECTIONS:
        yield finding(f"its sections are not {', '.join(DECISION_SECTIONS)}", page.file, 1)
    for section, part in page.sections(2).items():
        if part.is_empty:
            yield finding(f"section {section} is empty", page.file, part.line)


def _statuses(page: Part) -> list[str]:
    return [match[1] for line in page.prose if (match := _STATUS.fullmatch(line.text))]


def rollout(documents: Documents) -> Iterator[Finding]:
    """Find what the rollout's page says of its lanes and the plan does not."""
    page = documents.pages.get(ROLLOUT)
    if page is None:
        yield finding("the rollout has no page that people can read", ROLLOUT)
        return
    tables = [table for table in page.tables() if set(LANE_COLUMNS) <= set(table.columns)]
    if len(tables) != 1:
        wanted = ", ".join(LANE_COLUMNS)
        yield finding(f"one table of lanes is due ({wanted}), {len(tables)} are there", ROLLOUT, 1)
    lanes = sorted(documents.plan.lanes, key=lambda lane: lane.step)
    due = [_lane_row(lane, list(documents.plan.surfaces)) for lane in lanes]
    for table in tables:
        yield from differences(f"The lanes of {PLAN}", ROLLOUT, table, due, LANE_COLUMNS)


def _lane_row(lane: Lane, surfaces: list[str]) -> DueRow:
    told = "all" if set(lane.surfaces) >= set(surfaces) else ", ".join(f"`{name}`" for name in lane.surfaces)
    return {
        "step": str(lane.step),
        "lane": lane.name,
        "mode": lane.mode.value,
        "what lands": lane.what,
        "surfaces": told or "none",
    }
