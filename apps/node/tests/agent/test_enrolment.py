"""Enrolment, broken off and repeated, and the command line around it."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from lab import Lab, now
from wire_gateway import ProblemError

from slipway_contracts.errors import Code
from slipway_node import cli, keys
from slipway_node.amqp_address import AmqpAddress, amqp_address
from slipway_node.clock import Clock
from slipway_node.enrolment import EnrolledElsewhereError, Enrolment, SchedulerChoice, enroll
from slipway_node.gateway_client import GatewayRefusedError, GatewayUnreachableError
from slipway_node.home import Home
from slipway_node.lock import this_process
from slipway_node.ports import EngineSetUpOtherwiseError, Phase
from slipway_node.status import status_of
from slipway_node.status_text import status_text

ASKED = Enrolment(
    gateway_url="http://gateway.test",
    token="join-me",
    name=None,
    scheduler=SchedulerChoice.DIRECT,
    programs={"python3": "/usr/bin/python3"},
    input_prefixes=["file:///inputs"],
    artifacts=None,
)


class Registry:
    """The gateway's side of an enrolment: a token is spent on one key."""

    def __init__(self) -> None:
        self.spent_on: str | None = None
        self.asked = 0
        self.lose_answers = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread())
        self.asked += 1
        if body["token"] != "join-me" or self.spent_on not in (None, body["public_key"]):
            problem = ProblemError(Code.JOIN_TOKEN_SPENT).body()
            return httpx.Response(410, json=problem)
        self.spent_on = body["public_key"]
        if self.lose_answers:
            self.lose_answers -= 1
            raise httpx.ReadError("the line is cut", request=request)
        return httpx.Response(200, json={"management_node_id": "n1", "tenant_id": "t1", "node_name": "lab"})


class Bench:
    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home")
        self.registry = Registry()
        self.set_up_with: list[SchedulerChoice] = []
        self.broker: AmqpAddress | None = None
        self.fail_set_up = False

    async def enroll(self, asked: Enrolment = ASKED):
        transport = httpx.MockTransport(self.registry.answer)
        async with httpx.AsyncClient(base_url=asked.gateway_url, transport=transport) as http:
            return await enroll(self.home, asked, http, Clock(now), self._set_up)

    def _set_up(self, home: Home, scheduler: SchedulerChoice, broker: AmqpAddress | None) -> None:
        assert home is self.home
        if self.fail_set_up:
            raise EngineSetUpOtherwiseError("no AiiDA today")
        self.set_up_with.append(scheduler)
        self.broker = broker


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPWAY_NODE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_node_is_enrolled_with_key_identity_policy_and_engine(bench):
    enrolled = await bench.enroll()
    assert enrolled.identity == bench.home.identity()
    assert bench.registry.spent_on == keys.public_key_of(keys.load(bench.home.key_file))
    assert enrolled.policy.policy.input_prefixes == ["data:", "file:///inputs"]
    assert enrolled.policy.program_paths == {"python3": "/usr/bin/python3"}
    assert enrolled.policy.policy.artifact_prefixes == [bench.home.artifacts.resolve().as_uri()]
    assert bench.set_up_with == [SchedulerChoice.DIRECT]
    assert bench.home.root.stat().st_mode & 0o077 == 0


@pytest.mark.idempotency("node-protocol")
async def test_an_enrolment_whose_answer_was_lost_is_run_again_with_the_same_key(bench):
    bench.registry.lose_answers = 1
    with pytest.raises(GatewayUnreachableError):
        await bench.enroll()
    assert (await bench.enroll()).identity.management_node_id == "n1"
    assert bench.registry.asked == 2


async def test_an_enrolment_that_failed_at_the_engine_goes_on_without_the_token(bench):
    bench.fail_set_up = True
    with pytest.raises(EngineSetUpOtherwiseError, match="no AiiDA today"):
        await bench.enroll()
    bench.fail_set_up = False
    await bench.enroll()
    assert bench.registry.asked == 1


async def test_an_edited_policy_is_kept(bench):
    await bench.enroll()
    text = bench.home.policy_file.read_text().replace("default", "mine")
    bench.home.policy_file.write_text(text)
    again = await bench.enroll()
    assert not again.drafted
    assert list(again.policy.policy.queues) == ["mine"]


async def test_the_engine_is_set_up_with_the_broker_that_was_asked_for(bench):
    address = amqp_address("amqps://node:s%2Fecret@rabbit.test/lab%2Fone?cafile=/ca.pem")
    await bench.enroll(replace(ASKED, broker=address))
    assert bench.broker is address
    assert (address.host, address.port, address.virtual_host) == ("rabbit.test", 5671, "lab/one")
    assert (address.username, address.password, address.parameters) == ("node", "s/ecret", {"cafile": "/ca.pem"})
    assert "ecret" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    "url",
    [
        "rabbit.test",
        "http://a:secret@h",
        "amqp://secret@h",
        "amqp://:secret@h",
        "amqp://a:secret@",
        "amqp://a:b@h:secret",
    ],
)
def test_a_broker_that_is_none_is_refused_without_a_word_of_it(empty_home, capsys, monkeypatch, url):
    monkeypatch.setenv("SLIPWAY_BROKER", url)
    assert cli.run_command_line(["enroll", "--token", "x"]) == 2
    told = "".join(capsys.readouterr())
    assert "amqp://USER:PASSWORD@HOST:PORT/VHOST" in told
    assert "secret" not in told
    assert not empty_home.exists()


async def test_a_spent_token_is_refused_and_leaves_no_identity(bench):
    bench.registry.spent_on = "another key"
    with pytest.raises(GatewayRefusedError, match="join_token_spent"):
        await bench.enroll()
    assert not bench.home.identity_file.exists()


async def test_a_home_belongs_to_one_gateway(bench):
    await bench.enroll()
    with pytest.raises(EnrolledElsewhereError, match=r"node lab of http://gateway\.test"):
        await bench.enroll(replace(ASKED, gateway_url="http://other.test"))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["bogus"], 2, "bogus"),
        (["enroll"], 2, "--token"),
        (["enroll", "--token", "x", "--gateway", "gateway"], 2, "no http or https URL"),
        (["enroll", "--token", "x", "--program", "nothing"], 2, "NAME=PATH"),
        (["enroll", "--token", "x", "--name", "my node"], 2, "--name my node"),
        (["enroll", "--token", "x", "--scheduler", "pbs"], 2, "pbs"),
        (["enroll", "--token", "x", "--gateway", "http://127.0.0.1:1"], 3, "127.0.0.1"),
        (["run"], 2, "no enrolled node"),
        (["status"], 2, "no enrolled node"),
        (["policy", "check"], 2, "policy.yaml"),
    ],
)
def test_what_goes_wrong_is_one_line_with_a_hint(empty_home, capsys, arguments, status, said):
    assert not empty_home.exists()
    assert cli.run_command_line(arguments) == status
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert "(hint: " in told


def test_a_setting_that_does_not_hold_is_named(monkeypatch, capsys):
    monkeypatch.setenv("SLIPWAY_NODE_WORKERS", "many")
    assert cli.run_command_line(["status"]) == 2
    assert "SLIPWAY_NODE_WORKERS" in capsys.readouterr().err


def test_a_policy_that_holds_is_told_by_its_version(tmp_path, capsys):
    lab = Lab(tmp_path)
    assert cli.run_command_line(["policy", "check", "--home", str(lab.home.root)]) == 0
    assert "queues default, narrow" in capsys.readouterr().out
    assert cli.run_command_line(["policy", "show", "--home", str(lab.home.root)]) == 0
    assert json.loads(capsys.readouterr().out)["programs"] == ["python3"]


def test_the_version_is_told(capsys):
    assert cli.run_command_line(["--version"]) == 0
    assert capsys.readouterr().out.strip() == cli.VERSION


async def test_status_tells_what_is_open_and_what_was_refused(lab, capsys):
    running, broken = lab.submit("j1"), lab.submit("j2")
    lab.engine.first_phase = Phase.RUNNING
    apply = lab.gateway._apply

    def refuse_the_broken_one(raw, refused):
        if raw["submission_id"] == broken:
            body = ProblemError(Code.INVALID_EVENT).body()
            return {"status": 400, "problem": body}
        return apply(raw, refused)

    lab.gateway._apply = refuse_the_broken_one
    async with lab.agent():
        await lab.gateway.until(lambda: len(lab.gateway.states(running)) == 2)
    told = status_of(lab.home, this_process(), now())
    assert {execution.submission_id for execution in told.open_executions} == {running, broken}
    assert {letter.submission_id for letter in told.dead_letters} == {broken}
    assert told.seen.epoch == 1
    text = status_text(told)
    assert f"dead letter {told.dead_letters[0].event_id} of {broken}: invalid_event" in text
    assert "agent:         not running" in text
    seen_at = (
        f"last seen:     at {told.seen.written_at.isoformat(timespec='seconds')}; down to the policy all is as it was"
    )
    assert text.index(seen_at) < text.index("last contact: ") < text.index("engine: ")
    capsys.readouterr()
    assert cli.run_command_line(["status", "--home", str(lab.home.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["node_name"] == "lab"
