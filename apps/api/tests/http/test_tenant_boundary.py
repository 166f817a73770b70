"""Who may call what: every route against every credential that does not hold, and against other tenants."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.routing import APIRoute
from gateway_world import API, TestNode, World, opened

from slipway_gateway import context
from slipway_gateway.app import build
from slipway_gateway.auth.dev_issuer import issue

POLICIES = {context.user, context.admin, context.node, context.admin_or_node, context.anyone}
ROUTES = [route for route in build().routes if isinstance(route, APIRoute)]
CLAIMS = {"tenant_id": "lab", "workspace_ids": ["physics"], "user_id": "ada", "role": "admin", "audience": "slipway"}


def policies_of(route: APIRoute) -> set[Any]:
    """The access policies among a route's dependencies, whole tree."""
    found, left = set(), [route.dependant]
    while left:
        dependant = left.pop()
        found |= {dependant.call} & POLICIES
        left += dependant.dependencies
    return found


def name_of(route: APIRoute) -> str:
    return f"{min(route.methods)} {route.path}"


def guarded(*policies: Any) -> list[Any]:
    wanted = set(policies)
    return [pytest.param(route, id=name_of(route)) for route in ROUTES if policies_of(route) & wanted]


def path_of(route: APIRoute, world: World) -> str:
    return route.path.format(job_id="some-job", management_node_id=world.nodes["lab"].node_id)


def changed_in(token: str) -> str:
    """The token with another tenant in its claims and its signature as it was."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "tenant_id": "rival"}).encode()).rstrip(b"=").decode()
    return f"{head}.{forged}.{signature}"


def signed(world: World, **changed: Any) -> str:
    values = {**CLAIMS, "now": datetime.now(UTC).timestamp(), **changed}
    key = values.pop("key", world.issuer_key)
    return issue(key, **values)


def claims_of(world: World) -> dict[str, Any]:
    return jwt.decode(signed(world), options={"verify_signature": False})


def node_token(world: World) -> str:
    node = world.nodes["lab"]
    return node.token("POST", "/somewhere", b"", datetime.now(UTC))


FALSE_USER_TOKENS: dict[str, Callable[[World], str]] = {
    "garbage": lambda _: "garbage",
    "no algorithm": lambda world: jwt.encode(claims_of(world), None, algorithm="none"),
    "changed after it was signed": lambda world: changed_in(signed(world)),
    "signed with another key": lambda world: signed(world, key=ec.generate_private_key(ec.SECP256R1())),
    "signed with a shared secret": lambda world: jwt.encode(claims_of(world), "s" * 32, algorithm="HS256"),
    "expired": lambda world: signed(world, now=0),
    "for another audience": lambda world: signed(world, audience="elsewhere"),
    "of another issuer": lambda world: jwt.encode(
        {**claims_of(world), "iss": "elsewhere"}, world.issuer_key, algorithm="ES256"
    ),
    "without a tenant": lambda world: jwt.encode(
        {name: value for name, value in claims_of(world).items() if name != "tenant_id"},
        world.issuer_key,
        algorithm="ES256",
    ),
    "without an expiry": lambda world: jwt.encode(
        {name: value for name, value in claims_of(world).items() if name != "exp"}, world.issuer_key, algorithm="ES256"
    ),
    "with a role that there is not": lambda world: signed(world, role="owner"),
    "a node's": node_token,
}


@pytest.mark.parametrize("route", [pytest.param(route, id=name_of(route)) for route in ROUTES])
def test_every_route_has_exactly_one_access_policy(route: APIRoute) -> None:
    assert len(policies_of(route)) == 1


def test_what_is_open_to_anyone_is_known() -> None:
    assert {name_of(route) for route in ROUTES if context.anyone in policies_of(route)} == {
        "GET /api/health",
        "GET /api/ready",
        "GET /api/openapi.json",
        "GET /metrics",
        "POST /api/runtime/nodes:enroll",
    }


@pytest.mark.tenant_boundary("submit-job-command")
@pytest.mark.tenant_boundary("cancel-job-command")
@pytest.mark.tenant_boundary("reads")
@pytest.mark.parametrize("token", FALSE_USER_TOKENS.values(), ids=list(FALSE_USER_TOKENS))
@pytest.mark.parametrize("route", guarded(context.user, context.admin))
async def test_a_token_that_does_not_hold_is_unauthorized(
    world: World, route: APIRoute, token: Callable[[World], str]
) -> None:
    answer = await world.client.request(
        min(route.methods), path_of(route, world), headers={"Authorization": f"Bearer {token(world)}"}, json={}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.parametrize("route", guarded(context.user, context.admin, context.node, context.admin_or_node))
async def test_no_token_is_unauthorized(world: World, route: APIRoute) -> None:
    answer = await world.client.request(min(route.methods), path_of(route, world), json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.parametrize("route", guarded(context.admin, context.admin_or_node))
@pytest.mark.parametrize("role", ["member", "service"])
async def test_what_administers_nodes_needs_an_admin(world: World, route: APIRoute, role: str) -> None:
    path = path_of(route, world).removeprefix(API)
    answer = await world.user(min(route.methods), path, {}, role=role)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text
    nodes = (await world.user("GET", "/nodes")).json()["nodes"]
    assert [node["state"] for node in nodes] == ["active"]


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.tenant_boundary("execution-event")
@pytest.mark.parametrize("route", guarded(context.node))
async def test_a_users_token_is_no_nodes(world: World, route: APIRoute) -> None:
    path = path_of(route, world).removeprefix(API)
    answer = await world.admin(min(route.methods), path, {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.tenant_boundary("execution-event")
@pytest.mark.parametrize("route", guarded(context.node, context.admin_or_node))
@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "GET"},
        {"htu": "/api/runtime/elsewhere"},
        {"bsh": "0" * 64},
        {"aud": "slipway"},
        {"iss": "node-of-nobody"},
        {"iat": 1, "exp": 2},
        {"exp": int(datetime.now(UTC).timestamp()) + 3600},
    ],
    ids="-".join,
)
async def test_a_node_token_of_another_request_is_unauthorized(
    world: World, route: APIRoute, changed: dict[str, object]
) -> None:
    path = path_of(route, world).removeprefix(API)
    answer = await world.node(world.nodes["lab"], path, {}, claims=changed)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.parametrize("route", guarded(context.node, context.admin_or_node))
async def test_a_node_token_signed_with_another_key_is_unauthorized(world: World, route: APIRoute) -> None:
    node = world.nodes["lab"]
    forger = TestNode("lab", Ed25519PrivateKey.generate(), node.node_id, node.epoch)
    answer = await world.node(forger, path_of(route, world).removeprefix(API), {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text


@pytest.mark.tenant_boundary("node-protocol")
@pytest.mark.parametrize("tenant", ["lab", "rival"])
@pytest.mark.parametrize(
    "route", [param for param in guarded(context.node, context.admin_or_node) if "management_node_id" in str(param.id)]
)
async def test_a_node_acts_for_itself_only(world: World, route: APIRoute, tenant: str) -> None:
    path = path_of(route, world).removeprefix(API)
    other = await world.enroll(tenant)
    answer = await world.node(other, path, {})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text


@pytest.mark.tenant_boundary("execution-event")
@pytest.mark.parametrize("tenant", ["lab", "rival"])
async def test_a_node_reports_on_its_own_submissions_only(world: World, tenant: str) -> None:
    job = await world.taken()
    other = await world.enroll(tenant)
    answer = await world.node(other, f"/jobs/{job['job_id']}/events", world.event(job, "accepted"))
    assert answer.status_code in {403, 404}, answer.text
    single = answer.json()["code"]
    batch = await world.node(other, "/events:batchIngest", {"events": [world.event(job, "accepted")]})
    assert [outcome["problem"]["code"] for outcome in batch.json()["outcomes"]] == [single]
    assert len((await world.user("GET", f"/jobs/{job['job_id']}/timeline")).json()["entries"]) == 1


@pytest.mark.tenant_boundary("execution-event")
@pytest.mark.parametrize("field", ["tenant_id", "workspace_id", "job_id"])
async def test_an_event_that_names_another_owner_changes_nothing(world: World, field: str) -> None:
    job = await world.taken()
    body = {**world.event(job, "accepted"), field: "another"}
    answer = await world.node(world.nodes["lab"], f"/jobs/{job['job_id']}/events", body)
    assert 400 <= answer.status_code < 500, answer.text
    assert await world.state(job) == "queued"


@pytest.mark.tenant_boundary("reads")
@pytest.mark.parametrize("claims", [{"tenant": "rival"}, {"workspaces": ("biology",)}], ids=["tenant", "workspace"])
@pytest.mark.parametrize("part", ["", "/projection", "/timeline"])
async def test_another_tenants_or_workspaces_job_does_not_exist(
    world: World, part: str, claims: dict[str, Any]
) -> None:
    job = await world.submitted()
    answer = await world.user("GET", f"/jobs/{job['job_id']}{part}", **claims)
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert job["submission_id"] not in answer.text
    assert (await world.user("GET", "/jobs", **claims)).json()["jobs"] == []


@pytest.mark.tenant_boundary("reads")
async def test_another_tenants_nodes_are_not_listed(world: World) -> None:
    assert (await world.user("GET", "/nodes", tenant="rival")).json()["nodes"] == []


@pytest.mark.tenant_boundary("reads")
async def test_a_workspace_the_token_does_not_list_is_forbidden(world: World) -> None:
    answer = await world.user("GET", "/jobs?workspace_id=biology")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.tenant_boundary("cancel-job-command")
@pytest.mark.parametrize("claims", [{"tenant": "rival"}, {"workspaces": ("biology",)}], ids=["tenant", "workspace"])
async def test_another_tenants_or_workspaces_job_is_not_cancelled(world: World, claims: dict[str, Any]) -> None:
    job = await world.submitted()
    answer = await world.user("POST", f"/jobs/{job['job_id']}:cancel", **claims)
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert await world.state(job) == "queued"


@pytest.mark.tenant_boundary("submit-job-command")
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"tenant_id": "rival"}, "tenant_id"),
        ({"workspace_id": "biology"}, "workspace_id"),
        ({"requested_by": {"user_id": "eve"}}, "requested_by.user_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_command_for_somebody_else_is_forbidden(world: World, changed: dict[str, Any], field: str) -> None:
    command = world.command(**changed)
    answer = await world.submit(command)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    batch = await world.user("POST", "/jobs:batchSubmit", {"commands": [command]})
    assert [outcome["problem"]["code"] for outcome in batch.json()["outcomes"]] == ["forbidden"]
    assert (await world.user("GET", "/jobs")).json()["jobs"] == []


@pytest.mark.tenant_boundary("submit-job-command")
async def test_another_tenants_node_does_not_exist(world: World) -> None:
    await world.submitted()  # so that this process remembers the node
    command = world.command(tenant_id="rival")
    command["management_node_id"] = world.nodes["lab"].node_id
    answer = await world.submit(command, tenant="rival")
    assert (answer.status_code, answer.json()["code"]) == (404, "management_node_not_found")


@pytest.mark.tenant_boundary("submit-job-command")
async def test_keys_and_jobs_of_two_tenants_are_apart(world: World) -> None:
    await world.enroll("rival")
    one = world.command(job_id="same", idempotency_key="same")
    two = world.command("rival", job_id="same", idempotency_key="same")
    answers = [await world.submit(one), await world.submit(two, tenant="rival")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["submission_id"] for answer in answers}) == 2


@pytest.mark.idempotency("submit-job-command")
async def test_many_equal_submits_at_once_are_one_submission(world: World) -> None:
    command = world.command()
    answers = await asyncio.gather(*(world.submit(command) for _ in range(32)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len((await world.user("GET", "/jobs")).json()["jobs"]) == 1


@pytest.mark.idempotency("submit-job-command")
@pytest.mark.parametrize("deed", ["overdue", "drained", "revoked", "policy"])
async def test_a_replay_never_turns_into_a_refusal(world: World, deed: str) -> None:
    command = world.command()
    first = await world.submit(command)
    await out_of_service(world, deed)
    again = await world.submit(command)
    assert (again.status_code, again.text) == (202, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("overdue", "execution_unavailable"),
        ("drained", "execution_unavailable"),
        ("revoked", "management_node_not_found"),
        ("policy", "policy_rejected"),
    ],
)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_what_a_process_remembers_of_a_node_never_admits_what_no_longer_holds(
    world: World, tmp_path: Path, deed: str, code: str, where: str
) -> None:
    await world.submitted()
    if where == "elsewhere" and deed != "overdue":
        async with opened(tmp_path) as other:
            other.nodes, other.issuer_key = world.nodes, other.issuer_key
            await out_of_service(other, deed)
    else:
        await out_of_service(world, deed)
    answer = await world.submit()
    assert answer.json()["code"] == code, answer.text
    assert len((await world.user("GET", "/jobs")).json()["jobs"]) == 1


async def out_of_service(world: World, deed: str) -> None:
    """Change the node of tenant lab so that it would refuse what it took before."""
    node = world.nodes["lab"]
    match deed:
        case "overdue":
            world.later(3600)
        case "drained":
            assert (await world.admin("POST", f"/nodes/{node.node_id}:drain", {})).status_code < 300
        case "revoked":
            assert (await world.admin("POST", f"/nodes/{node.node_id}:revoke", {})).status_code < 300
        case _:
            assert (await world.beat(node, policy={"policy_version": "p2", "queues": {}})).status_code == 200


@pytest.mark.idempotency("execution-event")
async def test_an_event_told_many_times_at_once_is_applied_once(world: World) -> None:
    job = await world.taken()
    answers = await asyncio.gather(*(world.tell(job, "accepted") for _ in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(not answer.json()["idempotent"] for answer in answers) == 1
    assert len((await world.user("GET", f"/jobs/{job['job_id']}/timeline")).json()["entries"]) == 2


@pytest.mark.idempotency("cancel-job-command")
async def test_a_cancel_sent_twice_is_one(world: World) -> None:
    job = await world.taken()
    first, again = [await world.user("POST", f"/jobs/{job['job_id']}:cancel") for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["requested_at"] == again.json()["requested_at"]


@pytest.mark.idempotency("node-protocol")
async def test_an_ack_sent_twice_is_one(world: World) -> None:
    job = await world.submitted()
    node = world.nodes["lab"]
    commands = (await world.lease(node)).json()["commands"]
    ids = [entry["command_id"] for entry in commands]
    answers = [await world.ack(node, ids) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await world.lease(node)).json()["commands"] == []
    assert await world.state(job) == "queued"
