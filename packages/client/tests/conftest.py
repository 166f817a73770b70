"""A gateway's side of the wire, played from a script, and the command line run against it."""

import base64
import http.server
import json
import threading
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stamina

from slipway import Slipway
from slipway.following import Clock
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import ExecutionState, ResultRef
from slipway_contracts.lifecycle import projection_of
from slipway_contracts.node_policy import NodePolicy, QueuePolicy
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.problem import PROBLEM_MEDIA_TYPE, FieldError, Problem
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_contracts.reads import NodeView, Projection, Timeline, TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobAccepted, SubmitJobCommand

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBMISSION_ID = "0b8f6a4e-2f64-4a7e-9d0a-5f0f5a3a7b11"


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)


@dataclass
class Wire:
    """Answers by (method, path), each in its order, the last one again and again; anything else is ``not_found``."""

    requests: list[Request] = field(default_factory=list)
    script: dict = field(default_factory=lambda: defaultdict(list))

    def on(self, method, path, *answers):
        self.script[method, path] += answers
        return self

    def answer(self, request):
        self.requests.append(request)
        answers = self.script[request.method, request.path]
        if not answers:
            return problem(Code.NOT_FOUND)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def transport(self):
        def handle(request):
            asked = Request(
                request.method,
                request.url.path,
                parse_qs(request.url.query.decode()),
                {name.lower(): value for name, value in request.headers.items()},
                request.content,
            )
            status, headers, content = self.answer(asked)
            return httpx.Response(status, headers=headers, content=content)

        return httpx.MockTransport(handle)


def ok(model, status=200, headers=(), **more):
    content = {**model.model_dump(mode="json"), **more}
    return status, {"Content-Type": "application/json", **dict(headers)}, json.dumps(content).encode()


def problem(code, detail="as the test says", errors=(), retry_after=None):
    spec = ERRORS[code]
    said = Problem(
        type=f"urn:slipway:{code}",
        title=spec.meaning,
        status=spec.status,
        detail=detail,
        code=code,
        trace_id="t" * 32,
        retryable=spec.retryable,
        errors=[FieldError(field=name, message=message) for name, message in errors],
    )
    headers = {"Content-Type": PROBLEM_MEDIA_TYPE} | ({"Retry-After": str(retry_after)} if retry_after else {})
    return spec.status, headers, said.model_dump_json().encode()


def token(workspaces=("w1",), tenant="t1", user="u1", **more):
    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {"tenant_id": tenant, "workspace_ids": list(workspaces), "sub": user, "role": "member", **more}
    return f"{part({'alg': 'ES256'})}.{part(claims)}.c2lnbmF0dXJl"


def command(**fields):
    whole = {
        "tenant_id": "t1",
        "workspace_id": "w1",
        "job_id": "j1",
        "idempotency_key": "k1",
        "management_node_id": "n1",
        "execution_profile": {"queue_name": "default"},
        "resource_shape": {"cpu": 1, "memory_mib": 1024, "walltime_seconds": 3600},
        "payload_ref": {"input_uri": "https://example.org/job.yaml"},
        "requested_by": {"user_id": "u1"},
    }
    return SubmitJobCommand.model_validate(whole | fields)


def accepted(job_id="j1", node="n1"):
    return SubmitJobAccepted(
        job_id=job_id, submission_id=SUBMISSION_ID, execution_owner=node, accepted_at=MOMENT, trace_id="a" * 32
    )


def node(name="lab", queues=("default",), **more):
    policy = NodePolicy(policy_version="v1", queues={queue: QueuePolicy() for queue in queues})
    fields = {"state": NodeState.ACTIVE, "overdue": False, "enrolled_at": MOMENT, "policy": policy} | more
    return NodeView(management_node_id=f"{name}-id", node_name=name, **fields)


def projection(state=ProjectionState.SUCCEEDED, job_id="j1", **more):
    fields = {
        "tenant_id": "t1",
        "workspace_id": "w1",
        "job_id": job_id,
        "submission_id": SUBMISSION_ID,
        "attempt": 1,
        "projection_state": state,
        "management_node_id": "n1",
        "submitted_at": MOMENT,
        "updated_at": MOMENT,
        "change": 1,
        "stale": False,
        "trace_id": "a" * 32,
    }
    return Projection.model_validate(fields | more)


def entry(state, position, **more):
    """Return the ``position``-th change of a submission; ``state`` None is the submit itself."""
    fields = {
        "change": position,
        "kind": "submitted" if state is None else "event",
        "projection_event_id": f"e{position}",
        "submission_id": SUBMISSION_ID,
        "attempt": 1,
        "projection_state": ProjectionState.QUEUED if state is None else projection_of(state),
        "source_execution_state": state,
        "occurred_at": MOMENT + timedelta(seconds=position),
        "recorded_at": MOMENT + timedelta(seconds=position),
        "trace_id": "a" * 32,
    }
    return TimelineEntry.model_validate(fields | more)


def timeline(*states, **last):
    """Return a timeline: the submit, then ``states``; ``last`` adds to the last one."""
    entries = [entry(None, 1), *(entry(state, position) for position, state in enumerate(states, 2))]
    entries[-1] = entries[-1].model_copy(update=last)
    return Timeline(job_id="j1", entries=entries)


@pytest.fixture
def said():
    """What a gateway says, made of the contract's models."""
    return SimpleNamespace(
        ok=ok,
        problem=problem,
        token=token,
        command=command,
        accepted=accepted,
        node=node,
        projection=projection,
        entry=entry,
        timeline=timeline,
        submission_id=SUBMISSION_ID,
        moment=MOMENT,
        A=ExecutionState.ACCEPTED,
        R=ExecutionState.RUNNING,
        C=ExecutionState.COMPLETED,
        F=ExecutionState.FAILED,
        result=ResultRef,
        failure=ProjectionFailure,
    )


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture(autouse=True)
def _retries_without_waiting():
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


class TestClock:
    """Time that passes by sleeping only."""

    __test__ = False

    def __init__(self):
        self.seconds = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.seconds += seconds

    def clock(self):
        return Clock(now=lambda: self.seconds, sleep=self.sleep)


@pytest.fixture
def passing():
    return TestClock()


@pytest.fixture
def client(wire, passing):
    drawn = iter(uuid.UUID(int=number) for number in range(1, 100))
    with Slipway(
        "http://gateway.test", token(), transport=wire.transport(), clock=passing.clock(), draw=lambda: next(drawn)
    ) as made:
        yield made


@pytest.fixture
def served(wire):
    """The wire behind a real port on the loopback; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self):
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Request(self.command, parts.path, parse_qs(parts.query), headers, content)
            status, headers, body = wire.answer(asked)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def cli(served, tmp_path, monkeypatch, capsys):
    """Run `slipway` in this process against the served wire, with an empty home."""
    from slipway.cli.running import run

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SLIPWAY_URL", served)
    monkeypatch.setenv("SLIPWAY_TOKEN", token())
    monkeypatch.delenv("SLIPWAY_WORKSPACE", raising=False)

    def run_it(*arguments):
        status = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return run_it
