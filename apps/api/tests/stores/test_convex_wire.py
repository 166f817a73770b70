"""The wire to Convex, there and back: no microsecond is lost, no None is sent, no field of ours is guessed."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_functions import NODE, SUBMISSION, Script, ok, store_of
from store_world import SCOPE, T0, World

from slipway_contracts.execution_event import ResultRef
from slipway_gateway.ports import CursorError, JobFilter
from slipway_gateway.stores.convex import documents, requests
from slipway_gateway.stores.convex.documents import Node
from slipway_gateway.stores.times import micros, moment

EXACT = st.datetimes(datetime(1700, 1, 1), datetime(2255, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds
PROJECTION = {
    "tenant_id": "acme",
    "workspace_id": "lab",
    "job_id": "job-1",
    "submission_id": "submission-1",
    "attempt": 1,
    "projection_state": "succeeded",
    "management_node_id": "node-1",
    "submitted_at": 1,
    "updated_at": 2,
    "change": 3,
    "trace_id": "trace-1",
}


def node_of(**told: object) -> Node:
    return Node.model_validate_json(json.dumps({**NODE, **told}))


@given(EXACT)
def test_a_time_comes_back_to_the_microsecond_also_as_a_float(when):
    assert moment(micros(when)) == when
    for told in (micros(when), float(micros(when))):
        assert node_of(enrolled_at=told).enrolled_at == when


def test_the_last_moment_that_javascript_rounds_up_stays_in_its_year():
    last = datetime.max.replace(tzinfo=UTC)
    assert documents._time(float(micros(last))) == last


def test_what_is_none_is_left_out_at_every_depth():
    told = requests.body({"a": None, "b": {"c": None, "d": T0}, "e": [{"f": None}], "g": 0, "h": False})
    assert told == b'{"b":{"d":%d},"e":[{}],"g":0,"h":false}' % micros(T0)


def test_a_float_that_is_whole_is_an_integer_and_nothing_else_is():
    assert node_of(epoch=3.0).epoch == 3
    for wrong in (3.5, "3", True, None, [3]):
        with pytest.raises(ValueError, match="epoch"):
            node_of(epoch=wrong)


def test_what_newer_functions_tell_beyond_is_passed_over():
    assert node_of(colour="red").record().management_node_id == "node-1"


async def test_a_free_document_travels_as_text_there_and_back():
    summary = {"$energy": [1.5, None], "_id": {"nested": "ä"}}
    update = World(None).update(SUBMISSION, "completed")
    told = requests.projection_update(
        update.model_copy(update={"result_ref": ResultRef(output_uri="file:///o", summary=summary)})
    )
    sent = json.loads(requests.body(told))
    assert json.loads(sent["result_ref"]["summary"]) == summary
    assert "synthesized" not in sent
    assert sent["occurred_at"] == micros(T0)
    page = await store_of(Script(ok(projections=[{**PROJECTION, "result_ref": sent["result_ref"]}]))).list_jobs(
        SCOPE, JobFilter()
    )
    assert page.projections[0].result_ref.summary == summary


async def test_a_page_tells_where_the_next_begins_and_takes_no_cursor_of_another_list():
    script = Script(ok(projections=[PROJECTION], next=41.0))
    store = store_of(script)
    page = await store.list_jobs(SCOPE, JobFilter(cursor="42", limit=7))
    assert page.next_cursor == "41"
    assert script.calls[0][1] == {"tenant_id": "acme", "workspace_id": "lab", "states": [], "before": 42, "limit": 7}
    for cursor in ("", "-1", "x", "٣", "1" * 16):
        with pytest.raises(CursorError):
            await store.list_jobs(SCOPE, JobFilter(cursor=cursor))


async def test_an_empty_batch_is_no_call():
    script = Script(ok())
    store = store_of(script)
    assert await store.create_submissions([]) == []
    assert await store.apply_projection_updates("node-1", [], received_at=T0) == []
    assert script.calls == []


async def test_a_node_is_revoked_in_as_many_steps_as_it_takes():
    script = Script(ok(failed=200, more=True), ok(failed=200.0, more=True), ok(failed=7, more=False))
    assert await store_of(script).revoke_node("node-1", by="admin", now=T0, trace_id="t") == 407
    assert len(script.calls) == 3
    assert all(call == script.calls[0] for call in script.calls)
