"""Following jobs: live over the gateway's stream, taken up again where it broke (docs/contracts/reads.md, "Streams").

The rules are pure and shared; the two followers only wait differently. A gateway without streams is asked again and
again instead, quick at first and slower the longer nothing happens.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field

from slipway.errors import (
    InputRefusedError,
    NotFoundError,
    SilentError,
    SlipwayError,
    StreamNotSupportedError,
    WaitTimeoutError,
)
from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.reads import (
    STREAM_HEARTBEAT_SECONDS,
    JobChange,
    Projection,
    StreamReset,
    Timeline,
    TimelineEntry,
)

QUICKEST_SECONDS = 0.5
SLOWEST_SECONDS = 5.0
IDLE_SHARE = 0.05  # a change is seen at most a twentieth later than it took to come
OUTAGE_PATIENCE_SECONDS = 120.0  # a gateway that restarts, or a laptop that changes networks
SILENCE_SECONDS = 3 * STREAM_HEARTBEAT_SECONDS  # a stream that misses that many heartbeats is dead
FIRST_LOOK_SECONDS = 1.0  # for whoever has no time at all: to ask with none is to ask how it stands
LOOK_UP_SECONDS = STREAM_HEARTBEAT_SECONDS * 2 / 3  # between heartbeats, which tell a caller with a time limit nothing
TAKE_UP_SECONDS = 0.2  # before a broken stream is taken up again
OUTAGES_APART_SECONDS = 15.0  # what fails again sooner is one outage, as of streams alone where looks are answered

NO_STREAMS = (NotFoundError, StreamNotSupportedError)  # of a gateway from before them, or on Convex

Told = JobChange | StreamReset
Heard = Told | None
"""What a connection brings; None, once and first, that it stands."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds, and waiting."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = asyncio.sleep


SYSTEM_CLOCK = Clock()


def pause_seconds(idle_seconds: float) -> float:
    """Return how long to wait before the next look, after ``idle_seconds`` without a change."""
    return min(SLOWEST_SECONDS, max(QUICKEST_SECONDS, idle_seconds * IDLE_SHARE))


@dataclass(slots=True)
class Patience:
    """How long a gateway may be away, and how long a caller waits."""

    clock: Clock
    timeout_seconds: float | None = None
    on_outage: Callable[[SlipwayError], None] | None = None
    on_answer: Callable[[], None] | None = None
    streams: bool = True
    _began: float = field(init=False)
    _moved: float = field(init=False)
    _away_since: float | None = None
    _failed_at: float = -math.inf
    _asked_seconds: float = 0.0
    _looked: bool = False

    def __post_init__(self) -> None:
        self._began = self._moved = self.clock.now()

    def answered(self) -> None:
        """Note that the gateway is there."""
        self._away_since = None
        if self.on_answer is not None:
            self.on_answer()

    def moved(self) -> None:
        """Note that something changed."""
        self._moved = self.clock.now()

    def failed(self, error: SlipwayError) -> None:
        """Bear with a gateway that is away; raises ``error`` where it will not come back, or not for too long."""
        if isinstance(error, WaitTimeoutError):
            raise error
        if isinstance(error, SilentError) and self.left() < math.inf:
            return  # nothing happened until it was time to look up
        now = self.clock.now()
        if not error.retryable:
            raise error
        if self._away_since is None:
            self._away_since = now
            if self.on_outage is not None and now - self._failed_at > OUTAGES_APART_SECONDS:
                self.on_outage(error)
        self._asked_seconds = error.retry_after_seconds or 0.0
        if now + self._asked_seconds - self._away_since > OUTAGE_PATIENCE_SECONDS:
            raise error
        self._failed_at = now + self._asked_seconds

    def rest(self) -> float | None:
        """Return what is left of the caller's time, as another wait's; None is for ever."""
        return None if self.timeout_seconds is None else max(0.0, self._unspent(self.timeout_seconds))

    def look(self) -> float:
        """Return how many seconds a look may take; the first is made in any case. Raises WaitTimeoutError."""
        if self.timeout_seconds is None or self._looked:
            return self.left()
        self._looked = True
        return max(FIRST_LOOK_SECONDS, self._unspent(self.timeout_seconds))

    def left(self) -> float:
        """Return how many seconds the caller still waits; raises WaitTimeoutError when there are none."""
        if self.timeout_seconds is None:
            return math.inf
        left = self._unspent(self.timeout_seconds)
        if left <= 0:
            raise WaitTimeoutError(f"the job is not at its end after {self.timeout_seconds:g} s")
        return left

    def _unspent(self, seconds: float) -> float:
        return seconds - (self.clock.now() - self._began)

    def pause(self) -> float:
        """Return how long to wait before the next try: at least as long as the gateway asked for."""
        asked, self._asked_seconds = self._asked_seconds, 0.0
        if self.streams and self._away_since is None:
            pause = random.uniform(TAKE_UP_SECONDS / 2, TAKE_UP_SECONDS)  # noqa: S311 - jitter
        else:
            pause = pause_seconds(self.clock.now() - self._moved)
        return min(self.left(), max(asked, pause))

    def silence(self) -> float:
        """Return how many seconds a stream may be silent before it is taken for broken."""
        return SILENCE_SECONDS if self.timeout_seconds is None else min(self.left(), LOOK_UP_SECONDS)


@dataclass(slots=True)
class Followed:
    """One submission being followed; ``submission_id`` None becomes the current one at the first look."""

    submission_id: str | None
    position: int = 0
    _ended: bool = False

    def over(self) -> bool:
        """Tell whether the terminal change was told."""
        return self._ended

    def reset(self, change: int) -> None:
        """Note where the counter stands: before what was told where the store was restored, and it counts on there."""
        self.position = min(self.position, change)

    def seen(self, timeline: Timeline) -> list[TimelineEntry]:
        """Return what is new in a job's whole timeline; raises InputRefusedError where it lacks the submission."""
        if self.submission_id is not None and all(
            each.submission_id != self.submission_id for each in timeline.entries
        ):
            reason = f"the job has no submission {self.submission_id!r}"
            raise InputRefusedError(
                Code.SUBMISSION_NOT_FOUND, "submission_id", reason, "leave it out for the current one"
            )
        return self.new(timeline.entries)

    def new(self, entries: list[TimelineEntry]) -> list[TimelineEntry]:
        """Return the changes of the submission that were not told yet, up to its terminal one."""
        if self.submission_id is None and entries:
            self.submission_id = max(entries, key=lambda entry: entry.attempt).submission_id
        told = []
        for entry in entries:
            if entry.change <= self.position or self._ended:
                continue
            self.position = entry.change
            if entry.submission_id == self.submission_id:
                told.append(entry)
                self._ended = is_terminal(entry.projection_state)
        return told


def is_end(seen: Projection, submission_id: str | None) -> bool:
    """Tell whether ``seen``, read after a job's end was told, is that end; None is whatever submission is current.

    It is not where the job was submitted again meanwhile. Raises InputRefusedError where one that is not current was
    waited for: a projection tells of the current submission alone.
    """
    if submission_id is not None and seen.submission_id != submission_id:
        reason = f"it has ended, and the job was submitted again as {seen.submission_id!r}"
        raise InputRefusedError(
            Code.SUBMISSION_SUPERSEDED, "submission_id", reason, "`timeline` and `watch` tell how it ended"
        )
    return is_terminal(seen.projection_state)


Look = Callable[[float], Timeline]
Listen = Callable[[int, float], Generator[Heard, None, None]]
AsyncLook = Callable[[float], Awaitable[Timeline]]
AsyncListen = Callable[[int, float], AsyncGenerator[Heard, None]]


def changes(look: Look, listen: Listen, followed: Followed, patience: Patience) -> Iterator[TimelineEntry]:
    """Yield each change of a submission, from the first to the terminal one.

    ``look`` takes how many seconds it may take. ``listen`` takes a position and the silence it may bear, and yields
    until the stream ends. Raises WaitTimeoutError.
    """
    while True:
        try:
            entries = followed.seen(look(patience.look()))
            patience.answered()
            for entry in entries:
                patience.moved()
                yield entry
            if patience.streams and not followed.over():
                yield from _live(listen, followed, patience)
        except SlipwayError as error:
            patience.failed(error)
        if followed.over():
            return
        patience.clock.sleep(patience.pause())


def _live(listen: Listen, followed: Followed, patience: Patience) -> Iterator[TimelineEntry]:
    """Yield what one connection tells, until it ends, or the whole has to be looked at again."""
    silence = patience.silence()
    try:
        with closing(listen(followed.position, silence)) as heard:
            for told in heard:
                if isinstance(told, StreamReset):
                    followed.reset(told.change)
                    return  # what was missed is looked up
                if told is not None:
                    yield from followed.new([told])
                    patience.moved()
                if followed.over() or patience.left() < silence:
                    return
    except NO_STREAMS:
        patience.streams = False  # the gateway itself is there: it has answered the look


async def changes_async(
    look: AsyncLook, listen: AsyncListen, followed: Followed, patience: Patience
) -> AsyncIterator[TimelineEntry]:
    """Yield as :func:`changes` does."""
    while True:
        try:
            entries = followed.seen(await look(patience.look()))
            patience.answered()
            for entry in entries:
                patience.moved()
                yield entry
            if patience.streams and not followed.over():
                async with aclosing(_live_async(listen, followed, patience)) as live:
                    async for entry in live:
                        yield entry
        except SlipwayError as error:
            patience.failed(error)
        if followed.over():
            return
        await patience.clock.asleep(patience.pause())


async def _live_async(
    listen: AsyncListen, followed: Followed, patience: Patience
) -> AsyncGenerator[TimelineEntry, None]:
    """Yield as :func:`_live` does."""
    silence = patience.silence()
    try:
        async with aclosing(listen(followed.position, silence)) as heard:
            async for told in heard:
                if isinstance(told, StreamReset):
                    followed.reset(told.change)
                    return
                if told is not None:
                    for entry in followed.new([told]):
                        yield entry
                    patience.moved()
                if followed.over() or patience.left() < silence:
                    return
    except NO_STREAMS:
        patience.streams = False


@dataclass(slots=True)
class Position:
    """Where a stream is: the last change it told; None is from now."""

    after: int | None

    def new(self, told: Told) -> bool:
        """Tell whether ``told`` was not told yet, and note it."""
        if isinstance(told, JobChange) and self.after is not None and told.change <= self.after:
            return False
        self.after = told.change
        return True


def stream(
    listen: Callable[[int | None, float], Generator[Heard, None, None]], position: Position, patience: Patience
) -> Iterator[Told]:
    """Yield what a stream tells for ever, each change once, over every break; raises one of NO_STREAMS."""
    while True:
        try:
            with closing(listen(position.after, patience.silence())) as heard:
                for told in heard:
                    patience.answered()
                    patience.moved()
                    if told is not None and position.new(told):
                        yield told
        except SlipwayError as error:
            patience.failed(error)
        patience.clock.sleep(patience.pause())


async def stream_async(
    listen: Callable[[int | None, float], AsyncGenerator[Heard, None]], position: Position, patience: Patience
) -> AsyncIterator[Told]:
    """Yield as :func:`stream` does."""
    while True:
        try:
            async with aclosing(listen(position.after, patience.silence())) as heard:
                async for told in heard:
                    patience.answered()
                    patience.moved()
                    if told is not None and position.new(told):
                        yield told
        except SlipwayError as error:
            patience.failed(error)
        await patience.clock.asleep(patience.pause())
