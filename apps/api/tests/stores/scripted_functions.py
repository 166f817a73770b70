"""Our functions as a test says them: an answer a call, and every call that came."""

import asyncio
import json
from collections.abc import Callable

import httpx
from pydantic import SecretStr
from store_world import T0

from slipway_gateway.ports import SubmissionRecord
from slipway_gateway.stores.convex.client import Functions
from slipway_gateway.stores.convex.store import ConvexProductStore

SECRET = "open-sesame-4711"
NODE = {
    "management_node_id": "node-1",
    "tenant_id": "acme",
    "node_name": "node",
    "state": "active",
    "public_key": "k1",
    "epoch": 1,
    "enrolled_at": 1,
    "health": "{}",
}
SUBMISSION = SubmissionRecord("submission-1", "acme", "lab", "job-1", 1, "key", "0" * 64, "node-1", T0, "trace-1")
Answer = httpx.Response | Exception | Callable[[], object]


def ok(**value: object) -> httpx.Response:
    return httpx.Response(200, json=value)


def silence() -> object:
    return asyncio.sleep(3600)


class Script:
    """Answers in order, the last one for ever; ``calls`` are (operation, what was asked)."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict]] = []
        self.requests: list[httpx.Request] = []

    def says(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.calls.append((request.url.path.rpartition("/")[2], json.loads(request.content)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return await answer()

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


def functions_of(script: Script, *, call_seconds: float = 0.25) -> Functions:
    return Functions(
        "http://convex.test/slipway/v1/",
        SecretStr(SECRET),
        call_seconds=call_seconds,
        transport=httpx.MockTransport(script),
    )


def store_of(script: Script, *, call_seconds: float = 0.25, **options: bool) -> ConvexProductStore:
    return ConvexProductStore(functions_of(script, call_seconds=call_seconds), **options)
