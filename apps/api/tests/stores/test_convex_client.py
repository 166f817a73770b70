"""One call of Convex, whatever comes back: an answer, another try, or a store that is out of reach. Nothing leaks."""

import asyncio
import json
import socket
import time

import httpx
import pytest
from gateway_world import opened as gateway_opened
from pydantic import SecretStr
from scripted_functions import NODE, SECRET, Script, functions_of, ok, silence, store_of
from structlog.testing import capture_logs

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.convex.client import Functions, PassingError, StaleNodeError

LEAK = "remote-text-that-nobody-may-see"
PASSING = {
    "429": httpx.Response(429, json={"code": "TooManyConcurrentRequests", "message": LEAK}),
    "500": httpx.Response(500, text=LEAK),
    "502": httpx.Response(502, text=LEAK),
    "503": httpx.Response(503, json={"code": "OptimisticConcurrencyControlFailure", "message": LEAK}),
    "560": httpx.Response(560, text=LEAK),
    "refused": httpx.ConnectError(LEAK),
    "reset": httpx.ReadError(LEAK),
    "hung up": httpx.RemoteProtocolError(LEAK),
    "slow connect": httpx.ConnectTimeout(LEAK),
    "no bytes": httpx.ReadTimeout(LEAK),
    "silent": silence,
}
FINAL = {
    "400": httpx.Response(400, json={"detail": LEAK, "errors": [{"field": "updates.3.failure.code", "message": LEAK}]}),
    "400 of a proxy": httpx.Response(400, text=LEAK),
    "401": httpx.Response(401, json={"detail": LEAK}),
    "403": httpx.Response(403, text=LEAK),
    "404": httpx.Response(404, json={"detail": LEAK}),
    "405": httpx.Response(405, json={"detail": LEAK}),
    "413": httpx.Response(413, json={"detail": LEAK}),
    "a redirect": httpx.Response(302, headers={"Location": f"https://{LEAK}.example"}),
    "no content": httpx.Response(204),
}
MALFORMED = {
    "no JSON": httpx.Response(200, text=f"<html>{LEAK}"),
    "another shape": httpx.Response(200, json=[LEAK]),
    "a missing field": ok(node={"tenant_id": LEAK}),
    "a wrong type": ok(node={**NODE, "epoch": LEAK}),
    "a fraction": ok(node={**NODE, "epoch": 1.5}),
    "a truth for a number": ok(node={**NODE, "epoch": True}),
    "an unknown state": ok(node={**NODE, "state": LEAK}),
    "a text that is no JSON": ok(node={**NODE, "policy": LEAK}),
    "a time too far": ok(node={**NODE, "enrolled_at": -(10**30)}),
    "a name that is no id": ok(node={**NODE, "tenant_id": f"{LEAK} {LEAK}"}),
    "infinity": httpx.Response(200, text=json.dumps({"node": {**NODE, "epoch": float("inf")}})),
}


async def unavailable(script: Script, kind: type[StoreUnavailableError] = StoreUnavailableError) -> str:
    store = store_of(script)
    with pytest.raises(kind) as raised:
        await store.find_node("node-1")
    await store.close()
    assert LEAK not in repr(raised.value) + str(raised.value)
    assert SECRET not in repr(raised.value) + str(raised.value)
    assert raised.value.__cause__ is None
    return str(raised.value)


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
async def test_what_may_pass_is_tried_again_with_the_same_call(passing):
    script = Script(passing, passing, ok(node=NODE)) if passing is not silence else Script(passing, ok(node=NODE))
    assert (await store_of(script, call_seconds=1.0).find_node("node-1")).management_node_id == "node-1"
    assert len(script.calls) > 1
    assert len({request.content for request in script.requests}) == 1


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
async def test_what_does_not_pass_in_time_is_unavailable(passing):
    script = Script(passing)
    began = time.monotonic()
    assert (await unavailable(script, PassingError)).startswith("find-node: ")
    assert time.monotonic() - began < 1.5  # twice the longest call, and what a loaded machine adds
    assert len(script.calls) > 1


@pytest.mark.parametrize("final", FINAL.values(), ids=FINAL)
async def test_a_fault_of_ours_is_not_tried_again_and_says_what_it_is(final):
    script = Script(final)
    reason = await unavailable(script)
    assert len(script.calls) == 1
    assert reason.startswith("find-node: ")
    assert {400: "fault of ours", 401: "secret", 404: "deploy", 405: "deploy", 413: "limit"}.get(
        final.status_code, "Convex deployment"
    ) in reason


async def test_a_field_that_the_functions_do_not_take_is_named():
    assert "updates.3.failure.code" in await unavailable(Script(FINAL["400"]))


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
async def test_an_answer_that_is_none_of_ours_is_as_none(malformed):
    script = Script(malformed)
    assert "answer of another version" in await unavailable(script)
    assert len(script.calls) == 1


async def test_fewer_answers_than_questions_are_none():
    with pytest.raises(StoreUnavailableError, match="0 answers to 1"):
        await store_of(Script(ok(held=[], verdict="acked"))).ack_commands("node-1", 1, "journal", ["c-1"], None)


async def test_a_stale_node_is_told_at_once():
    script = Script(httpx.Response(503, headers={"Slipway-Stale-Node": "1"}, text=LEAK))
    await unavailable(script, StaleNodeError)
    assert len(script.calls) == 1


async def test_a_wait_that_is_asked_for_is_kept_within_bounds():
    script = Script(httpx.Response(429, headers={"Retry-After": "1"}), ok(node=NODE))
    began = time.monotonic()
    assert await store_of(script, call_seconds=2.0).find_node("node-1")
    assert 1 <= time.monotonic() - began < 3
    assert len(script.calls) == 2


async def test_every_call_brings_the_secret_and_nothing_shows_it():
    script = Script(ok(node=NODE))
    functions = functions_of(script)
    await functions.call("find-node", b"{}")
    assert script.requests[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(functions) + repr(functions._http) + repr(functions._http.headers)


async def test_a_closed_store_asks_nothing():
    script = Script(ok(node=NODE))
    store = store_of(script)
    await store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.find_node("node-1")
    assert script.calls == []


async def test_a_caller_that_leaves_stops_its_read():
    store = store_of(Script(silence), call_seconds=30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.find_node("node-1"), 0.05)


async def test_a_port_that_nobody_listens_on_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    functions = Functions(f"http://127.0.0.1:{port}/slipway/v1/", SecretStr(SECRET), call_seconds=0.2)
    with pytest.raises(PassingError, match="ConnectError"):
        await functions.call("check", b"{}")
    await functions.close()


@pytest.mark.parametrize("answer", [PASSING["500"], FINAL["401"], MALFORMED["no JSON"]], ids=["500", "401", "no JSON"])
async def test_the_client_of_the_gateway_hears_503_and_the_log_tells_why(tmp_path, answer):
    async with gateway_opened(tmp_path) as world:
        object.__setattr__(world.services, "store", store_of(Script(answer)))
        with capture_logs() as lines:
            told = await world.user("GET", "/jobs")
        assert (told.status_code, told.json()["code"]) == (503, "product_store_unavailable")
        assert "Retry-After" in told.headers
        assert LEAK not in told.text
        (line,) = [each for each in lines if each.get("code") == "product_store_unavailable"]
        assert line["reason"].startswith("list-jobs: ")
        assert LEAK not in str(lines)
        assert SECRET not in str(lines) + told.text
