"""A gateway in memory for tests of the agent: it speaks surfaces 2 and 4 of the wire, and folds events as a store does.

It stands behind an httpx transport, so that all of the agent's client is in use. What the gateway itself does is tested
with the gateway; here a test can also break it: `down`, `answer_with`, `before`.
"""

import asyncio
import base64
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for
from slipway_contracts.lifecycle import (
    Applied,
    Duplicate,
    Receipt,
    Refused,
    Standing,
    fold,
    is_terminal,
    receipt_of,
    to_projection,
)
from slipway_contracts.node_protocol import (
    LEASE_SECONDS,
    NODE_TOKEN_AUDIENCE,
    AckRequest,
    CommandKind,
    DrainRequest,
    HeartbeatRequest,
    LeaseRequest,
    NodeCommand,
    NodeState,
    RotateKeyRequest,
)
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.submit_job_command import SubmitJobCommand

NODE_ID = "node-1"
LEEWAY_SECONDS = 5
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
Answer = tuple[int, dict[str, Any], dict[str, str]]


class ProblemError(Exception):
    def __init__(self, code: Code, detail: str = "as the contract says") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail

    def body(self) -> dict[str, Any]:
        spec = ERRORS[self.code]
        return {
            "type": f"urn:slipway:{self.code}",
            "title": spec.meaning,
            "status": spec.status,
            "detail": self.detail,
            "code": self.code.value,
            "trace_id": "0" * 32,
            "retryable": spec.retryable,
        }


@dataclass
class Held:
    command: NodeCommand
    state: str = "pending"  # leased, acked, withdrawn
    epoch: int = 0
    journal_id: str | None = None
    expires_at: datetime = LONG_AGO


@dataclass
class WireGateway:
    public_key: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    down: bool = False
    state: NodeState = NodeState.ACTIVE
    next_public_key: str | None = None
    epoch: int = 0
    heartbeat_interval_seconds: float = 0.05
    agents: dict[str, int] = field(default_factory=dict)
    commands: dict[str, Held] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    targets: dict[str, NodeCommand] = field(default_factory=dict)
    applied: list[ExecutionEvent] = field(default_factory=list)
    beats: list[HeartbeatRequest] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, Code]] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None
    answer_with: Callable[[str], httpx.Response | None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    # what a test says

    def submit(self, submit: SubmitJobCommand, *, submission_id: str | None = None, attempt: int = 1) -> str:
        submission_id = submission_id or str(uuid.uuid4())
        command = self._command(CommandKind.SUBMIT, submission_id, submit, attempt)
        self.targets[submission_id] = command
        self.standings[submission_id] = Standing(attempt, ProjectionState.QUEUED)
        return submission_id

    def cancel(self, submission_id: str) -> None:
        """As surface 5: terminal at once while nothing of it is acked, else a command."""
        target = self.targets[submission_id]
        held = self.commands[target.command_id]
        if held.state in ("pending", "leased"):
            held.state = "withdrawn"
            standing = self.standings[submission_id]
            self.standings[submission_id] = Standing(standing.attempt, ProjectionState.CANCELLED)
        else:
            self._command(CommandKind.CANCEL, submission_id, None, target.attempt)
        self._wake()

    def states(self, submission_id: str) -> list[ExecutionState]:
        return [event.state for event in self.applied if event.submission_id == submission_id]

    def projection(self, submission_id: str) -> ProjectionState:
        return self.standings[submission_id].projection_state

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    # the wire

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        call = path.rpartition(":")[2]
        self.calls[call] += 1
        if self.before is not None:
            await self.before(call)
        if self.down:
            self._wake()
            raise httpx.ConnectError("nobody listens", request=request)
        forced = self.answer_with(call) if self.answer_with else None
        if forced is not None:
            self._wake()
            return forced
        try:
            body = await request.aread()
            self._authenticate(request, path, body)
            answer = await self._calls()[call](json.loads(body))
        except ProblemError as error:
            self.refused.append((call, error.code))
            answer = None
            response = self._response(ERRORS[error.code].status, error.body())
        else:
            response = self._response(200, answer)
        self._wake()
        return response

    def _calls(self) -> Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]:
        return {
            "heartbeat": self._heartbeat,
            "lease": self._lease,
            "ack": self._ack,
            "batchIngest": self._ingest,
            "drain": self._drain,
            "rotate-key": self._rotate_key,
        }

    def _response(self, status: int, body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(status, json=body, headers={"date": format_datetime(self.clock(), usegmt=True)})

    def _authenticate(self, request: httpx.Request, path: str, body: bytes) -> None:
        claims, signed_with = self._claims(request.headers["authorization"].removeprefix("Bearer "))
        now = self.clock().timestamp()
        if not claims["iat"] - LEEWAY_SECONDS <= now <= claims["exp"] + LEEWAY_SECONDS:
            raise ProblemError(Code.UNAUTHORIZED, "not of this time")
        expected = ("POST", path, hashlib.sha256(body).hexdigest(), NODE_ID)
        if (claims["htm"], claims["htu"], claims["bsh"], claims["iss"]) != expected:
            raise ProblemError(Code.UNAUTHORIZED, "signed for another request")
        if request.headers["slipway-contract"] != "1" or not request.headers["traceparent"].startswith("00-"):
            raise ProblemError(Code.INVALID_REQUEST)
        if self.state is NodeState.REVOKED:
            raise ProblemError(Code.FORBIDDEN, "the node is revoked")
        if signed_with == self.next_public_key:
            self.public_key, self.next_public_key = signed_with, None

    def _claims(self, token: str) -> tuple[dict[str, Any], str]:
        """Return what the token says, and which of the node's keys says so."""
        wrong = "signed with nothing"
        for public_key in filter(None, (self.public_key, self.next_public_key)):
            try:
                claims = jwt.decode(
                    token,
                    Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(public_key + "=")),
                    algorithms=["EdDSA"],
                    audience=NODE_TOKEN_AUDIENCE,
                    options={"verify_exp": False, "verify_iat": False, "require": ["iss", "iat", "exp"]},
                )
            except jwt.InvalidTokenError as error:
                wrong = str(error)
            else:
                return claims, public_key
        raise ProblemError(Code.UNAUTHORIZED, wrong)

    async def _drain(self, body: dict[str, Any]) -> dict[str, Any]:
        self.state = NodeState.DRAINING if DrainRequest.model_validate(body).draining else NodeState.ACTIVE
        return {"management_node_id": NODE_ID, "state": self.state}

    async def _rotate_key(self, body: dict[str, Any]) -> dict[str, Any]:
        announced = RotateKeyRequest.model_validate(body).public_key
        if announced != self.public_key:
            self.next_public_key = announced
        return {"management_node_id": NODE_ID, "state": self.state}

    async def _heartbeat(self, body: dict[str, Any]) -> dict[str, Any]:
        beat = HeartbeatRequest.model_validate(body)
        self.beats.append(beat)
        if beat.epoch is None:
            if beat.agent_id not in self.agents:
                self.epoch += 1
                self.agents[beat.agent_id] = self.epoch
        else:
            self._hold(beat.epoch)
        return {
            "epoch": self.agents[beat.agent_id],
            "state": self.state,
            "server_time": self.clock().isoformat(),
            "heartbeat_interval_seconds": self.heartbeat_interval_seconds,
        }

    async def _lease(self, body: dict[str, Any]) -> dict[str, Any]:
        claim = LeaseRequest.model_validate(body)
        self._hold(claim.epoch)
        found = self._leasable(claim)
        if not found:
            await asyncio.sleep(0.01)
            found = self._leasable(claim)
        for held in found:
            held.state, held.epoch = "leased", claim.epoch
            held.expires_at = self.clock() + timedelta(seconds=LEASE_SECONDS)
        return {"commands": [json.loads(held.command.model_dump_json()) for held in found]}

    def _leasable(self, claim: LeaseRequest) -> list[Held]:
        now = self.clock()
        return [
            held
            for held in self.commands.values()
            if not is_terminal(self.projection(held.command.submission_id))
            and (
                held.state == "pending"
                or (held.state == "leased" and (held.epoch < claim.epoch or held.expires_at <= now))
                or (held.state == "acked" and held.journal_id != claim.journal_id)
            )
        ][: claim.max]

    async def _ack(self, body: dict[str, Any]) -> dict[str, Any]:
        request = AckRequest.model_validate(body)
        self._hold(request.epoch)
        outcomes = []
        for command_id in request.command_ids:
            held = self.commands[command_id]
            if held.state == "withdrawn":
                outcomes.append({"command_id": command_id, "status": 409, "code": "lease_lost"})
                continue
            held.state, held.journal_id = "acked", request.journal_id
            outcomes.append({"command_id": command_id, "status": 200})
        return {"outcomes": outcomes}

    async def _ingest(self, body: dict[str, Any]) -> dict[str, Any]:
        refused: set[str] = set()
        outcomes = []
        for raw in body["events"]:
            outcome = self._apply(raw, refused)
            if "problem" in outcome:
                refused.add(raw.get("submission_id", ""))
            outcomes.append(outcome)
        return {"outcomes": outcomes}

    def _apply(self, raw: dict[str, Any], refused: set[str]) -> dict[str, Any]:
        try:
            event = ExecutionEvent.model_validate(raw)
        except ValidationError:
            return problem_outcome(Code.INVALID_EVENT)
        if event.event_id != event_id_for(event.submission_id, event.execution_id, event.state):
            return problem_outcome(Code.INVALID_EVENT)
        if event.submission_id in refused:
            return problem_outcome(Code.EVENT_GAP)
        standing = self.standings.get(event.submission_id)
        if standing is None:
            return problem_outcome(Code.SUBMISSION_NOT_FOUND)
        update = to_projection(event, standing.attempt)
        folded = fold(standing, self.receipts, [update])
        verdict = folded.verdicts[0]
        match verdict:
            case Applied():
                self.standings[event.submission_id] = folded.standing
                self.receipts[update.projection_event_id] = receipt_of(update)
                self.applied.append(event)
                return {"status": 200, "idempotent": False}
            case Duplicate():
                return {"status": 200, "idempotent": True}
            case Refused():
                if verdict.gap:
                    return problem_outcome(Code.EVENT_GAP)
                conflict = verdict.code is Code.PROJECTION_EVENT_ID_CONFLICT
                return problem_outcome(Code.EVENT_ID_CONFLICT if conflict else Code.INVALID_TRANSITION)

    def _hold(self, epoch: int) -> None:
        if epoch < self.epoch:
            raise ProblemError(Code.LEASE_LOST, f"the epoch is {self.epoch}")

    def _command(
        self, kind: CommandKind, submission_id: str, submit: SubmitJobCommand | None, attempt: int
    ) -> NodeCommand:
        known = self.targets.get(submission_id)
        command = NodeCommand(
            command_id=str(uuid.uuid4()),
            kind=kind,
            submission_id=submission_id,
            tenant_id="t1",
            workspace_id="w1",
            job_id=submit.job_id if submit else known.job_id if known else "unknown",
            attempt=attempt,
            trace_id=known.trace_id if known else uuid.uuid4().hex,
            expires_at=self.clock() + timedelta(seconds=LEASE_SECONDS),
            submit=submit,
        )
        self.commands[command.command_id] = Held(command)
        self._wake()
        return command

    def _wake(self) -> None:
        self.changed.set()


def problem_outcome(code: Code) -> dict[str, Any]:
    body = ProblemError(code).body()
    return {"status": body["status"], "problem": body}
