"""What a store holds, counted: how a store that was filled is held against the file it was filled from."""

from collections import Counter
from dataclasses import dataclass, field

from slipway_gateway.stores.archive.kinds import KINDS, Row


@dataclass(slots=True)
class Standing:
    """A workspace's two counters as it states them, and as its timeline and submissions have them."""

    change: int = 0
    open_submissions: int = 0
    last_change: int = 0
    submissions_open: int = 0


@dataclass(slots=True)
class Tally:
    """Records by kind, and each workspace's standing by tenant and workspace; grows with workspaces only."""

    counts: Counter[str] = field(default_factory=Counter)
    workspaces: dict[tuple[str, str], Standing] = field(default_factory=dict)

    def add(self, kind: str, row: Row) -> None:
        """Count a record."""
        self.counts[kind] += 1
        if kind == "submission":
            is_open = row[_CLOSED_STATE] is None
            self.of(row[1], row[2]).submissions_open += is_open
        elif kind == "entry":
            standing = self.of(row[0], row[1])
            standing.last_change = max(standing.last_change, row[2])
        elif kind == "workspace":
            standing = self.of(row[0], row[1])
            standing.change, standing.open_submissions = row[2], row[3]

    def of(self, tenant_id: str, workspace_id: str) -> Standing:
        """Return a workspace's standing."""
        return self.workspaces.setdefault((tenant_id, workspace_id), Standing())

    def differs_from(self, other: "Tally") -> str | None:
        """Name the first thing that is otherwise in ``other``, None where all is the same."""
        for kind in KINDS:
            if self.counts[kind] != other.counts[kind]:
                return f"{other.counts[kind]} records of kind {kind} in place of {self.counts[kind]}"
        for scope in sorted(self.workspaces.keys() | other.workspaces.keys()):
            if self.workspaces.get(scope) != other.workspaces.get(scope):
                return f"other counters in workspace {'/'.join(scope)}"
        return None


_CLOSED_STATE = [each.name for each in KINDS["submission"].fields].index("closed_state")
