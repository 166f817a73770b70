"""Filling an empty deployment with the records of an archive.

The deployment knows how many it took, so an import that was killed goes on where it stood. It is finished, and becomes
a store, once what lies there was counted and is what the archive holds.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic_core import to_json

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.archive.format import ArchiveError
from slipway_gateway.stores.archive.kinds import KINDS, Row
from slipway_gateway.stores.archive.tally import Tally
from slipway_gateway.stores.convex import answers
from slipway_gateway.stores.convex.address import functions_url
from slipway_gateway.stores.convex.asking import Asking
from slipway_gateway.stores.convex.client import Functions
from slipway_gateway.stores.convex.deployment import look_at
from slipway_gateway.stores.convex.memory import NodeMemory
from slipway_gateway.stores.convex.moved import wire_record

BATCH_RECORDS = 500  # a transaction has a second, and these take a small part of it
BATCH_BYTES = 4 * 1024 * 1024  # the functions take 6 MiB
CALL_SECONDS = 30.0
_OCCUPIED = "the deployment holds something already: an import goes into an empty store, or on with itself"
_INTENT = "intent"  # on Convex a submission is two documents
Records = Iterable[tuple[str, Row]]


class Import:
    """One import into one deployment."""

    def __init__(self, asking: Asking, import_id: str, expected: Tally) -> None:
        self._asking = asking
        self._id = import_id
        self._expected = expected

    async def fill(self, records: Records) -> bool:
        """Bring ``records``, or those that are missing; False where the import was finished before."""
        taken = await self._take(0, [])
        if taken is None:
            return False
        position = taken
        for batch in batches(islice(iter(records), taken, None)):
            taken = await self._take(position, batch)
            position += len(batch)
            if taken != position:
                raise StoreUnavailableError(f"the deployment has {taken} records in place of {position}: run it again")
        if position != self._expected.counts.total():
            raise ArchiveError("the deployment holds more of this import than its file: empty it, and import again")
        return await self._finish(position)

    async def _take(self, sequence: int, batch: list[dict[str, Any]]) -> int | None:
        """Return how many records lie there now, None where the import is finished."""
        asked = {"import_id": self._id, "sequence": sequence, "records": batch}
        told = await self._asking.ask("import-records", answers.IMPORTED, asked)
        return _open(told).taken if not isinstance(told, answers.Finished) else None

    async def _finish(self, total: int) -> bool:
        tally = await self._tally()
        if tally is None:
            return False
        difference = self._expected.differs_from(tally)
        if difference is not None:
            raise ArchiveError(f"the deployment holds {difference}: is a gateway on it? Empty it, and import again")
        asked = {"import_id": self._id, "records": total}
        told = await self._asking.ask("finish-import", answers.IMPORTED, asked)
        if not isinstance(told, answers.Finished):
            raise StoreUnavailableError(f"the deployment has {_open(told).taken} records in place of {total}")
        return True

    async def _tally(self) -> Tally | None:
        """Count what lies there, kind by kind; None where another run finished the import meanwhile."""
        tally = Tally()
        for kind in (*KINDS, _INTENT):
            after: float | None = None
            while True:
                asked = {"import_id": self._id, "kind": kind, "after": after}
                told = await self._asking.ask("tally-import", answers.TALLIED, asked)
                if isinstance(told, answers.Finished):
                    return None
                if isinstance(told, answers.Occupied):
                    raise ArchiveError(_OCCUPIED)
                _add(tally, kind, told)
                if (after := told.next) is None:
                    break
        if tally.counts.pop(_INTENT) != tally.counts["submission"]:
            raise ArchiveError("the deployment has not the intent of each submission: empty it, and import again")
        return tally


def import_into_convex(url: str, access: Access, import_id: str, records: Records, expected: Tally) -> bool:
    """Fill the deployment at ``url``; False where this very import was finished before.

    Raises ArchiveError where it holds anything else, ValueError and StoreUnavailableError as opening a store does.
    """

    async def run() -> bool:
        functions = Functions(functions_url(url), access.secret(), call_seconds=CALL_SECONDS)
        asking = Asking(functions, NodeMemory())
        try:
            await look_at(asking, allow_testing=access.allow_testing_store, allow_importing=True)
            return await Import(asking, import_id, expected).fill(records)
        finally:
            await functions.close()

    return asyncio.run(run())


def batches(records: Records) -> Iterator[list[dict[str, Any]]]:
    """Yield records as the wire has them, as many as one call takes."""
    batch: list[dict[str, Any]] = []
    bytes_ = 0
    for kind, row in records:
        record = wire_record(kind, row)
        size = len(to_json(record))
        if batch and (len(batch) >= BATCH_RECORDS or bytes_ + size > BATCH_BYTES):
            yield batch
            batch, bytes_ = [], 0
        batch.append(record)
        bytes_ += size
    if batch:
        yield batch


def _open(told: answers.Taken | answers.Occupied) -> answers.Taken:
    if isinstance(told, answers.Occupied):
        raise ArchiveError(_OCCUPIED)
    return told


def _add(tally: Tally, kind: str, told: answers.Counted) -> None:
    tally.counts[kind] += told.count
    for share in told.workspaces:
        standing = tally.of(share.tenant_id, share.workspace_id)
        match kind:
            case "submission":
                standing.submissions_open += share.open_submissions
            case "entry":
                standing.last_change = max(standing.last_change, share.change)
            case _:
                standing.change, standing.open_submissions = share.change, share.open_submissions
