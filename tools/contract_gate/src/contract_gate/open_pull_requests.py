"""Open pull requests, as `gh pr list --json number,title,body,files,labels` exports them, and the owners they name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from contract_gate.description import Description, Row, description_of
from contract_gate.plan import Plan, told
from contract_gate.rules import GateError
from contract_gate.sor_map import MAP, Entry, Owner, SorMap, Writer

_LANE = re.compile(r"lane[\s:/_-]*(\w+)", re.IGNORECASE)


class _Exported(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ChangedFile(_Exported):
    """A file that a pull request changes."""

    path: str


class Label(_Exported):
    """A label; `lane C` says that a pull request is lane C's, whatever files it changes."""

    name: str


class OpenPullRequest(_Exported):
    """One open pull request; what else is exported of it is ignored."""

    number: int
    title: str
    body: str | None = None
    files: tuple[ChangedFile, ...]
    labels: tuple[Label, ...] = ()

    def __str__(self) -> str:
        return f"#{self.number}"

    @property
    def paths(self) -> list[str]:
        """Return the files that it changes."""
        return [file.path for file in self.files]

    @property
    def description(self) -> Description:
        """Return what its description says."""
        return description_of(self.body or "")

    def carries_out(self, plan: Plan) -> bool:
        """Tell whether it carries the contract out: by a surface, a runtime lane's file, or the label of a lane."""
        named = {match[1] for label in self.labels if (match := _LANE.fullmatch(label.name))}
        touches = plan.documents_of(self.paths) or plan.runtime_lanes_of(self.paths)
        return bool(touches) or not named.isdisjoint(lane.name for lane in plan.lanes)


class Claim(NamedTuple):
    """What an open pull request says of a field's owner and writer."""

    of: OpenPullRequest
    row: Row

    @property
    def says(self) -> tuple[str, str]:
        """Return owner and writer."""
        return self.row.owner, self.row.writer


def open_pull_requests_in(file: Path) -> tuple[OpenPullRequest, ...]:
    """Read an export. Raises GateError where the file cannot be read or is no export."""
    try:
        return TypeAdapter(tuple[OpenPullRequest, ...]).validate_json(file.read_bytes())
    except OSError as error:
        raise GateError(f"cannot be read: {error.strerror}", str(file)) from error
    except ValidationError as error:
        raise GateError(f"it is no list of pull requests: {told(error)}", str(file)) from error


def ambiguities(pull_requests: Sequence[OpenPullRequest], sor_map: SorMap) -> Iterator[str]:
    """Yield where open pull requests leave it unclear who owns a field: against the map, or against each other."""
    entries = {field.name: entry for field, entry in sor_map.entries().items()}
    claims = [Claim(each, row) for each in pull_requests for row in each.description.rows]
    for claim in claims:
        yield from _against_the_map(claim, entries)
    for field, those in groupby(sorted(claims, key=lambda claim: claim.row.field), lambda claim: claim.row.field):
        yield from _against_each_other(field, list(those), entries.get(field))


def _against_the_map(claim: Claim, entries: Mapping[str, Entry]) -> Iterator[str]:
    field, (owner, writer) = claim.row.field, claim.says
    if owner not in set(Owner):
        yield f"{claim.of}: {field} is given to {owner or '(nobody)'}, which is no owner"
    elif writer not in set(Writer):
        yield f"{claim.of}: {field} is written by {writer or '(nobody)'}, which is no writer"
    elif MAP not in claim.of.paths and field not in entries:
        yield f"{claim.of}: {field} is not in {MAP}, and the pull request does not change the map"
    elif MAP not in claim.of.paths and _differs(claim, entries[field]):
        due = entries[field]
        yield (
            f"{claim.of}: {field} is {owner}'s, written by {writer}; in {MAP}, which the pull request does not change, "
            f"it is {due.owner}'s, written by {due.writer}"
        )


def _against_each_other(field: str, claims: Sequence[Claim], entry: Entry | None) -> Iterator[str]:
    """Yield the first claim that differs from the first of all, and two pull requests that both give the field away."""
    first = claims[0]
    other = next((claim for claim in claims if claim.says != first.says), None)
    if other is not None:
        yield (
            f"{first.of} and {other.of}: {field} is {first.row.owner}'s, written by {first.row.writer}, and "
            f"{other.row.owner}'s, written by {other.row.writer}"
            if other.of != first.of
            else f"{first.of} has two rows for {field}, with another owner or writer"
        )
        return
    giving = {claim.of.number for claim in claims if entry is None or _differs(claim, entry)}
    if len(giving) > 1:
        both = " and ".join(f"#{number}" for number in sorted(giving))
        yield f"{both} both change who owns or writes {field}: one of them lands first, and the other follows it"


def _differs(claim: Claim, entry: Entry) -> bool:
    return claim.says != (entry.owner, entry.writer)
