"""A batch of updates in calls that Convex takes, in order: a transaction writes at most 16 MiB, each update twice."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from slipway_contracts.execution_event import EVENT_MAX_BYTES
from slipway_contracts.lifecycle import AFTER_REFUSAL, Refused, Verdict
from slipway_contracts.projection_update import ProjectionUpdate

CALL_MAX_BYTES = 5 * 1024 * 1024  # the functions take 6, with what stands around the updates

Apply = Callable[[Sequence[ProjectionUpdate]], Awaitable[list[Verdict]]]


def calls(
    updates: Sequence[ProjectionUpdate], most_bytes: int = CALL_MAX_BYTES
) -> Iterator[Sequence[ProjectionUpdate]]:
    """Yield ``updates`` in parts of at most so many bytes; nearly always one."""
    if len(updates) * EVENT_MAX_BYTES <= most_bytes:
        yield updates
        return
    part: list[ProjectionUpdate] = []
    held_bytes = 0
    for update in updates:
        size_bytes = len(update.model_dump_json().encode())
        if part and held_bytes + size_bytes > most_bytes:
            yield part
            part, held_bytes = [], 0
        part.append(update)
        held_bytes += size_bytes
    yield part


async def applied_in_turn(
    updates: Sequence[ProjectionUpdate], apply: Apply, most_bytes: int = CALL_MAX_BYTES
) -> list[Verdict]:
    """Apply part by part; what is behind a submission's first refusal is a gap, also in a later part."""
    verdicts: list[Verdict] = []
    refused: set[str] = set()
    for part in calls(updates, most_bytes):
        told = [update for update in part if update.submission_id not in refused]
        judged = iter(await apply(told) if told else ())
        now = [AFTER_REFUSAL if update.submission_id in refused else next(judged) for update in part]
        verdicts += now
        refused |= {u.submission_id for u, verdict in zip(part, now, strict=True) if isinstance(verdict, Refused)}
    return verdicts
