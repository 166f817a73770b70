"""What the command line tells of a store that is moved: how far it is, and what is there."""

import json
import sys
import time
from collections.abc import Callable, Sequence

from slipway_gateway.stores.archive.kinds import KINDS
from slipway_gateway.stores.archive.tally import Tally

PROGRESS_SECONDS = 1.0
"""Between two lines of progress."""


def told_on_stderr(verb: str) -> Callable[[int, int], None]:
    """Return what is to be called after each record, which says now and then how many are done."""
    due = time.monotonic() + PROGRESS_SECONDS

    def progress(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + PROGRESS_SECONDS
            print(f"slipway-gateway: {verb} {done:,} of {total:,} records", file=sys.stderr)  # noqa: T201

    return progress


def table(tally: Tally) -> str:
    """Return the records of each kind, and each workspace's counters, in columns."""
    kinds = [("kind", "records"), *((kind, f"{tally.counts[kind]:,}") for kind in KINDS)]
    workspaces = [("tenant", "workspace", "changes", "open submissions")] + [
        (tenant, workspace, f"{standing.change:,}", f"{standing.open_submissions:,}")
        for (tenant, workspace), standing in sorted(tally.workspaces.items())
    ]
    return f"{_columns(kinds, numbers=1)}\n\n{_columns(workspaces, numbers=2)}"


def as_json(tally: Tally, **told: object) -> str:
    """Return the same for machines, as one line."""
    workspaces = [
        {
            "tenant_id": tenant,
            "workspace_id": workspace,
            "change": standing.change,
            "open_submissions": standing.open_submissions,
        }
        for (tenant, workspace), standing in sorted(tally.workspaces.items())
    ]
    counts = {kind: tally.counts[kind] for kind in KINDS}
    return json.dumps({**told, "records": tally.counts.total(), "counts": counts, "workspaces": workspaces})


def _columns(rows: Sequence[tuple[str, ...]], *, numbers: int) -> str:
    """Align ``rows``, the last ``numbers`` columns to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = len(widths) - numbers
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < texts else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
