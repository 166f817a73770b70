"""Parties of different ages: an older node and product at today's gateway, today's node at an older gateway.

The older parties are recordings of a commit that spoke contract 1 (recordings/README.md).
"""

import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_world import World, opened
from lab import Lab
from recorded import UNSET, Exchange, Player, recording, unlike, unlike_recorded
from wire_gateway import WireGateway

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.node_protocol import AckRequest, EnrollRequest, HeartbeatRequest, LeaseRequest, NodeState
from slipway_contracts.projection_update import ProjectionState
from slipway_node import gateway_client
from slipway_node.clock import Clock
from slipway_node.gateway_client import (
    GatewayClient,
    GatewayError,
    GatewayRefusedError,
    Ids,
    JoinTokenSpentError,
    LeaseLostError,
    NodeForbiddenError,
    NodeNotRecognisedError,
)
from slipway_node.keys import Signer
from slipway_node.ports import Phase

OLDEST = "fa2112a"
EXCHANGES = recording(OLDEST)
BY_NAME: Mapping[str, Exchange] = {each.name: each for each in EXCHANGES}
Altering = Callable[[Any], Any]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


@pytest.mark.idempotency("execution-event")
@pytest.mark.idempotency("node-protocol")
@pytest.mark.idempotency("submit-job-command")
async def test_todays_gateway_answers_an_older_node_and_product_as_they_know_it(world: World) -> None:
    player = Player(world)
    found = [each for exchange in EXCHANGES for each in unlike_recorded(exchange, await player.play(exchange), player)]
    assert found == []


async def test_a_request_that_is_signed_for_another_time_or_path_is_no_older_nodes(world: World) -> None:
    player = Player(world)
    for exchange in EXCHANGES[: EXCHANGES.index(BY_NAME["heartbeat"])]:
        await player.play(exchange)
    beat = BY_NAME["heartbeat"]
    for changed in ({"iat": 30, "exp": 90}, {"aud": "another"}, {"htm": "PUT"}):
        answer = await player.play(Exchange(**{**vars(beat), "claims": {**beat.claims, **changed}}))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert (await player.play(beat)).status_code == 200


@pytest.mark.parametrize("version", ["0", "2", "1.0", "x"])
async def test_a_version_that_is_not_spoken_is_refused_by_name(world: World, version: str) -> None:
    player = Player(world)
    for exchange in EXCHANGES[: EXCHANGES.index(BY_NAME["event accepted"])]:
        await player.play(exchange)
    told = Exchange(**{**vars(BY_NAME["event accepted"]), "headers": {"slipway-contract": version}})
    answer = await player.play(told)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event")
    assert answer.json()["errors"][0]["field"] == "Slipway-Contract"


# what an older, a newer and a terse gateway says


def as_recorded(value: Any) -> Any:
    return value


def saying_more(value: Any) -> Any:
    """Add fields that today's node does not know; what a product asked for is read strictly, and a summary is free."""
    if isinstance(value, list):
        return [saying_more(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    told = {name: each if name in ("submit", "summary") else saying_more(each) for name, each in value.items()}
    return {**told, "colour": "blue", "later": {"a": [1, None]}}


ALWAYS_TOLD = frozenset({"commands", "retryable"})


def saying_less(value: Any) -> Any:
    """Leave out what is unset, or false, or empty: what an older gateway had no field for."""
    if isinstance(value, list):
        return [saying_less(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {name: saying_less(each) for name, each in value.items() if name in ALWAYS_TOLD or each not in UNSET}


ALTERINGS: tuple[Altering, ...] = (as_recorded, saying_more, saying_less)


class RecordedGateway:
    """Gives each call the next recorded answer of its kind, and keeps what it was sent."""

    def __init__(self, *names: str, alter: Altering = as_recorded) -> None:
        self.expected = [BY_NAME[name] for name in names]
        self.alter = alter
        self.unlike: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        exchange = self.expected.pop(0)
        sent = json.loads(await request.aread())
        self.unlike += [f"{exchange.name}: {each}" for each in unlike(exchange.body, sent)]
        if exchange.claims is not None:
            assert request.headers["slipway-contract"] == exchange.headers["slipway-contract"]
        return httpx.Response(exchange.status, headers=dict(exchange.answer_headers), json=self.alter(exchange.answer))

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(self))


def clock() -> Clock:
    return Clock(lambda: datetime.now(UTC))


def client_of(gateway: RecordedGateway) -> GatewayClient:
    node_id = BY_NAME["enrol"].answer["management_node_id"]
    ids = Ids(lambda: uuid.uuid4().hex, lambda: uuid.uuid4().hex[:16])
    return GatewayClient(gateway.http(), node_id, Signer(Ed25519PrivateKey.generate(), node_id), clock(), ids)


def events_of(exchange: Exchange) -> list[str]:
    return [json.dumps(event) for event in exchange.body["events"]]


@pytest.mark.parametrize("alter", ALTERINGS)
async def test_todays_node_enrols_at_an_older_gateway(alter: Altering) -> None:
    gateway = RecordedGateway("enrol", "enrol again", alter=alter)
    request = EnrollRequest.model_validate(BY_NAME["enrol"].body)
    enrolled = [await gateway_client.enroll(gateway.http(), request, clock()) for _ in range(2)]
    assert {each.management_node_id for each in enrolled} == {BY_NAME["enrol"].answer["management_node_id"]}
    assert gateway.unlike == []


@pytest.mark.parametrize("alter", ALTERINGS)
async def test_todays_node_tells_an_older_gateway_that_it_is_there(alter: Altering) -> None:
    gateway = RecordedGateway("heartbeat start", "heartbeat", alter=alter)
    client = client_of(gateway)
    for name in ("heartbeat start", "heartbeat"):
        answer = await client.heartbeat(HeartbeatRequest.model_validate(BY_NAME[name].body))
        assert (answer.epoch, answer.state, answer.heartbeat_interval_seconds) == (1, NodeState.ACTIVE, 10.0)
    assert gateway.unlike == []


@pytest.mark.parametrize("alter", ALTERINGS)
@pytest.mark.parametrize("job", ["job-a", "cancel of job-b", "nothing"])
async def test_todays_node_leases_from_an_older_gateway_and_acks(alter: Altering, job: str) -> None:
    recorded = BY_NAME[f"lease {job}"].answer["commands"]
    gateway = RecordedGateway(f"lease {job}", *([f"ack {job}"] if recorded else []), alter=alter)
    client = client_of(gateway)
    commands = await client.lease(LeaseRequest.model_validate(BY_NAME[f"lease {job}"].body))
    assert [(each.command_id, each.kind) for each in commands] == [(it["command_id"], it["kind"]) for it in recorded]
    if recorded:
        assert (commands[0].submit is None) == (recorded[0]["submit"] is None)
        answer = await client.ack(AckRequest.model_validate(BY_NAME[f"ack {job}"].body))
        assert [(each.status, each.code) for each in answer.outcomes] == [(200, None)]
    assert gateway.unlike == []


@pytest.mark.parametrize("alter", ALTERINGS)
@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("ingest accepted", [(200, False, None)]),
        ("ingest running and completed", [(200, False, None), (200, False, None)]),
        ("ingest completed again", [(200, True, None)]),
        ("ingest cancelled", [(200, False, None)]),
        ("ingest a gap", [(409, False, "event_gap")]),
    ],
)
async def test_todays_node_delivers_to_an_older_gateway(alter: Altering, name: str, outcomes: list[Any]) -> None:
    gateway = RecordedGateway(name, alter=alter)
    answer = await client_of(gateway).ingest(events_of(BY_NAME[name]))
    told = [(each.status, each.idempotent, each.problem.code if each.problem else None) for each in answer.outcomes]
    assert told == outcomes
    assert gateway.unlike == []


REFUSALS: Mapping[str, type[GatewayError]] = {
    "enrol by a spent token": JoinTokenSpentError,
    "lease of a lost lease": LeaseLostError,
    "heartbeat of a revoked node": NodeForbiddenError,
    "event of an expired token": NodeNotRecognisedError,
    "event in no known state": GatewayRefusedError,
    "event of no known submission": GatewayRefusedError,
}


@pytest.mark.parametrize("alter", ALTERINGS)
@pytest.mark.parametrize("name", REFUSALS)
async def test_todays_node_knows_an_older_gateways_refusals(alter: Altering, name: str) -> None:
    refused = BY_NAME[name]
    transport = httpx.MockTransport(lambda _: httpx.Response(refused.status, json=alter(refused.answer)))
    client = client_of(RecordedGateway())
    client._http = httpx.AsyncClient(base_url="http://gateway", transport=transport)
    with pytest.raises(GatewayError) as told:
        await client.lease(LeaseRequest(epoch=1, journal_id="journal-1"))
    assert type(told.value) is REFUSALS[name]


# the whole agent


class OtherGateway(WireGateway):
    """The agent's gateway in memory, saying more or less than today's."""

    alter: Altering = staticmethod(as_recorded)

    def _response(self, status: int, body: dict[str, Any]) -> httpx.Response:
        return super()._response(status, self.alter(json.loads(json.dumps(body, default=str))))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.gateway = OtherGateway(made.gateway.public_key)
    return made


async def ends(lab: Lab, phase: Phase) -> list[ExecutionState]:
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ExecutionState.ACCEPTED])
        lab.engine.set(submission_id, Phase.RUNNING)
        await lab.gateway.until(lambda: lab.gateway.states(submission_id)[1:] == [ExecutionState.RUNNING])
        if phase is Phase.KILLED:
            lab.gateway.cancel(submission_id)
        else:
            lab.engine.set(submission_id, phase)
        await lab.ended(submission_id)
    assert lab.gateway.refused == []
    return lab.gateway.states(submission_id)


@pytest.mark.parametrize("alter", ALTERINGS)
@pytest.mark.parametrize(
    ("phase", "last"),
    [
        (Phase.FINISHED, ExecutionState.COMPLETED),
        (Phase.FAILED, ExecutionState.FAILED),
        (Phase.KILLED, ExecutionState.CANCELLED),
    ],
)
async def test_todays_agent_runs_a_job_of_a_gateway_of_any_age(
    lab: Lab, alter: Altering, phase: Phase, last: ExecutionState
) -> None:
    lab.gateway.alter = alter
    assert await ends(lab, phase) == [ExecutionState.ACCEPTED, ExecutionState.RUNNING, last]


async def test_a_command_that_asks_for_what_todays_node_does_not_know_is_left_and_others_are_run(lab: Lab) -> None:
    newer, known = lab.submit("newer"), lab.submit("known")
    offered: dict[str, int] = defaultdict(int)

    def with_gpus(body: Any) -> Any:
        for command in body.get("commands", ()):
            offered[command["submission_id"]] += 1
            if command["submission_id"] == newer:
                command["submit"]["resource_shape"]["gpus"] = 1
        return body

    lab.gateway.alter = with_gpus
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(known) == [ExecutionState.ACCEPTED])
    assert offered[newer] == 1
    assert lab.engine.launched[newer] == 0
    assert lab.gateway.projection(newer) is ProjectionState.QUEUED
    assert next(held.state for held in lab.gateway.commands.values() if held.command.submission_id == newer) == "leased"
