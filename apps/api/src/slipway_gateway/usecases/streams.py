"""Telling a workspace's changes as they come (docs/contracts/reads.md, "Streams").

One tail a workspace reads each change once, however many follow it, and hands it to them; a follower that came with an
earlier position reads what lies between by itself first. All of it is of this process and of this moment: a follower
that is cut off or loses its gateway goes on elsewhere from its last event id.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime

from slipway_contracts.errors import Code
from slipway_contracts.reads import (
    STREAM_HEARTBEAT_SECONDS,
    STREAM_KEPT_CHANGES,
    JobChange,
    StreamEndReason,
    StreamReset,
)
from slipway_gateway.ports import Changes, ProductStore, Scope, StoreUnavailableError
from slipway_gateway.problems import ContractError
from slipway_gateway.usecases.reads import enriched, no_job

PAGE_CHANGES = 64
"""Changes that are read, and sent, at once: followers take as much a turn as the tail brings, so no burst piles up."""
BEGINNING_AT_ONCE = 8
"""Streams that read the state now at the same time: a thousand that come back together are not to fill the memory."""
RESET_JOBS = 50  # as a page of the list has them
WAITING_MAX_CHANGES = 5_000
"""Changes a follower may leave untaken before it is cut off. What waits is shared: it costs a reference each."""
STORE_RETRY_SECONDS = 1.0  # a store that is out of reach ends no stream


class Told:
    """A change on its way to followers, with room for the form it is sent in: made once, sent to all."""

    __slots__ = ("change", "frame")

    def __init__(self, change: JobChange) -> None:
        self.change = change
        self.frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """The state a stream begins with: a StreamReset as JSON, a tenth of the size of its model."""

    change: int
    document: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing happened for as long as a heartbeat takes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over."""

    reason: StreamEndReason


class CutOffError(Exception):
    """The follower takes changes too slowly."""


Happening = list[Told] | Began | Silence | Ended


@dataclass(frozen=True, slots=True)
class Question:
    """What is followed, and from where; None is from now. ``clock`` and ``until`` are the token's time."""

    scope: Scope
    job_id: str | None
    after: int | None
    until: float  # seconds since 1970 UTC
    clock: Callable[[], datetime]
    overdue_seconds: float


class _Follower:
    """What one stream has not taken yet."""

    def __init__(self, job_id: str | None, on_cut: Callable[[], None]) -> None:
        self.job_id = job_id
        self.waiting: deque[Told] = deque()
        self.news = asyncio.Event()
        self.live = False  # until then, what it cannot hold it reads again
        self.overrun = False
        self.closing = False
        self._on_cut = on_cut

    def offer(self, told: Told) -> None:
        if self.overrun or self.job_id not in (None, told.change.job_id):
            return
        self.waiting.append(told)
        if len(self.waiting) > WAITING_MAX_CHANGES:
            self.waiting.clear()
            self.overrun = True
            if self.live:
                self._on_cut()
        self.news.set()

    def taken(self) -> list[Told]:
        told = [self.waiting.popleft() for _ in range(min(PAGE_CHANGES, len(self.waiting)))]
        if not self.waiting and not self.closing:
            self.news.clear()
        return told

    def close(self) -> None:
        self.closing = True
        self.news.set()


@dataclass(eq=False)
class _Tail:
    """The live end of a workspace: ``position`` is the last change that was handed out."""

    scope: Scope
    position: int
    followers: set[_Follower] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None

    @property
    def broken(self) -> bool:
        """Tell whether nothing comes from it any more, though some follower has not left it yet."""
        return self.task is not None and self.task.done()

    async def run(self, store: ProductStore) -> None:
        async with aclosing(store.changed(self.scope)) as wakes:
            async for _ in wakes:
                while await self._advance(store):
                    pass

    def ended(self, task: "asyncio.Task[None]") -> None:
        """Let the followers go on elsewhere when the tail broke: silence would look like nothing happening."""
        if task.cancelled():
            return
        for follower in self.followers:
            follower.close()
        if error := task.exception():
            message = "a workspace's tail broke"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error, "task": task})

    async def _advance(self, store: ProductStore) -> bool:
        """Hand out what came; tell whether there may be more."""
        try:
            page = await store.changes(self.scope, None, after=self.position, limit=PAGE_CHANGES)
        except StoreUnavailableError:
            await asyncio.sleep(STORE_RETRY_SECONDS)
            return True
        changes = page.changes if page is not None else ()
        for change in changes:
            told = Told(change)
            for follower in self.followers:
                follower.offer(told)
            self.position = change.change
        return len(changes) == PAGE_CHANGES


class Stream:
    """One open stream; iterate over :meth:`happenings`, and :meth:`leave` in any case.

    ``upto`` is the last change that its other side knows, ``standing`` where the workspace's counter stood then.
    """

    def __init__(self, streams: "Streams", question: Question, began: Began | None, upto: int, standing: int) -> None:
        self._streams = streams
        self._question = question
        self._began = began
        self._upto = upto
        self._standing = standing
        self._follower: _Follower | None = None
        self._closed = False
        self._left = False

    async def happenings(self, on_cut: Callable[[], None]) -> AsyncGenerator[Happening, None]:
        """Yield what is to be sent, in order, until the token or the process ends.

        ``on_cut`` is called, and CutOffError raised, when what is yielded is taken too slowly.
        """
        # A workspace's changes are what its tail reads anyway; a job's few are not sought among all of them.
        position = self._upto if self._question.job_id is None else self._standing
        tail, follower = self._streams.joined(self._question, position, on_cut)
        self._follower = follower
        if self._closed:
            follower.close()
        try:
            if self._began is not None:
                yield self._began
                self._began = None
            async for told in self._caught_up(tail, follower):
                yield told
            async for happening in self._lived(follower):
                yield happening
        finally:
            self._streams.left(tail, follower)

    def close(self) -> None:
        """End it from outside: the other side is gone."""
        self._closed = True
        if self._follower is not None:
            self._follower.close()

    def leave(self) -> None:
        """Give its place back, once."""
        if not self._left:
            self._left = True
            self._streams.vacate(self._question.scope.tenant_id)

    async def _caught_up(self, tail: _Tail, follower: _Follower) -> AsyncIterator[list[Told]]:
        """Yield what was changed before the follower came, from the store."""
        while (self._upto < tail.position or follower.overrun) and not self._over(follower):
            follower.overrun = False
            page = await self._page()
            if page is None:
                continue
            if page.changes:
                self._upto = page.changes[-1].change
                yield [Told(change) for change in page.changes]
            if len(page.changes) < PAGE_CHANGES:
                self._upto = max(self._upto, page.position)
        follower.live = True

    async def _page(self) -> Changes | None:
        store, of = self._streams.store, self._question
        try:
            return await store.changes(of.scope, of.job_id, after=self._upto, limit=PAGE_CHANGES)
        except StoreUnavailableError:
            await asyncio.sleep(STORE_RETRY_SECONDS)
            return None

    def _over(self, follower: _Follower) -> bool:
        return follower.closing or self._left_seconds() <= 0

    def _left_seconds(self) -> float:
        """Return how long the token holds."""
        return self._question.until - self._question.clock().timestamp()

    async def _lived(self, follower: _Follower) -> AsyncIterator[Happening]:
        while True:
            if self._over(follower):
                yield Ended(StreamEndReason.CLOSING if follower.closing else StreamEndReason.TOKEN_EXPIRED)
                return
            if follower.overrun:
                raise CutOffError
            silence = min(self._left_seconds(), STREAM_HEARTBEAT_SECONDS)
            if not follower.waiting and not await _within(follower.news, silence):
                yield Silence()
            told = [each for each in follower.taken() if each.change.change > self._upto]
            if told:
                self._upto = told[-1].change.change
                yield told


class Streams:
    """The streams that are open in this process; a tenant has at most ``tenant_max`` of them."""

    def __init__(self, store: ProductStore, tenant_max: int) -> None:
        self.store = store
        self._tenant_max = tenant_max
        self._open: Counter[str] = Counter()
        self._tails: dict[Scope, _Tail] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._beginning = asyncio.Semaphore(BEGINNING_AT_ONCE)

    async def open(self, question: Question) -> Stream:
        """Return a stream that begins where ``question`` says, or with the state now where it cannot.

        Raises job_not_found, rate_limited where the tenant has no place left, and stream_not_supported where the store
        follows no changes; StoreUnavailableError passes.
        """
        if not self.store.follows_changes:
            raise ContractError(Code.STREAM_NOT_SUPPORTED, "on this gateway, live pages use Convex's own subscriptions")
        tenant_id = question.scope.tenant_id
        if self._open[tenant_id] >= self._tenant_max:
            detail = f"{self._tenant_max} streams of this tenant are open in this process"
            raise ContractError(Code.RATE_LIMITED, detail)
        self._open[tenant_id] += 1
        try:
            return await self._begun(question)
        except BaseException:
            self.vacate(tenant_id)
            raise

    def vacate(self, tenant_id: str) -> None:
        """Free a place of the tenant."""
        self._open[tenant_id] -= 1
        if not self._open[tenant_id]:
            del self._open[tenant_id]

    async def _begun(self, of: Question) -> Stream:
        if of.after is not None:
            page = await self.store.changes(of.scope, of.job_id, after=of.after, limit=1)
            if page is None:
                raise no_job(str(of.job_id))
            behind = page.position - of.after
            if behind == 0 or (behind > 0 and (of.job_id is not None or behind <= STREAM_KEPT_CHANGES)):
                return Stream(self, of, None, of.after, page.position)
        async with self._beginning:
            began = await self._state_now(of)
        return Stream(self, of, began, began.change, began.change)

    async def _state_now(self, of: Question) -> Began:
        standing = await self.store.standing(of.scope, of.job_id, limit=RESET_JOBS)
        if standing is None:
            raise no_job(str(of.job_id))
        nodes = await self.store.list_nodes(of.scope.tenant_id) if standing.jobs.projections else []
        jobs = enriched(standing.jobs.projections, nodes, of.clock(), of.overdue_seconds)
        reset = StreamReset(change=standing.position, jobs=jobs, next_cursor=standing.jobs.next_cursor)
        return Began(standing.position, reset.model_dump_json())

    def joined(self, question: Question, position: int, on_cut: Callable[[], None]) -> tuple[_Tail, _Follower]:
        """Let a stream follow its workspace's tail, which begins at ``position`` where there is none yet."""
        follower = _Follower(question.job_id, on_cut)
        if self._closed:
            follower.close()
        tail = self._tails.get(question.scope)
        if tail is None or tail.broken:
            tail = self._tails[question.scope] = _Tail(question.scope, position)
            tail.task = asyncio.create_task(tail.run(self.store))
            tail.task.add_done_callback(tail.ended)
        tail.followers.add(follower)
        return tail, follower

    def left(self, tail: _Tail, follower: _Follower) -> None:
        """Forget a follower, and its tail with the last one."""
        tail.followers.discard(follower)
        if not tail.followers:
            if self._tails.get(tail.scope) is tail:
                del self._tails[tail.scope]
            self._end(tail)

    def close(self) -> None:
        """Let every stream end, with a word to its other side."""
        self._closed = True
        for tail in self._tails.values():
            for follower in tail.followers:
                follower.close()

    async def closed(self) -> None:
        """Stop what is left."""
        for tail in self._tails.values():
            self._end(tail)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, tail: _Tail) -> None:
        if tail.task is not None:
            tail.task.cancel()
            self._ending.add(tail.task)
            tail.task.add_done_callback(self._ending.discard)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Tell whether ``event`` is set within ``seconds``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
