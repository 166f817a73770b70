"""Requests drawn from the API's own description: whatever comes, no fault, and no answer that it does not describe."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from local_stack import Gateway
from schemathesis.checks import CHECKS, load_all_checks
from signed_node import SignedNode

from slipway_contracts.node_protocol import LEASE_WAIT_MAX_SECONDS, NODE_TOKEN_AUDIENCE
from slipway_gateway.app import build

EXAMPLES = 30
NODE_TOKEN_SECONDS = 30
load_all_checks()
HELD_TO = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)
# What breaks the schema may break another rule first: too large, or for another tenant.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}},
        "generation": {"with-security-parameters": False},  # false credentials have a test of their own
    }
)
# A batch is answered with an outcome each: a command that does not hold is refused in the body.
LOOSE = {"submitJobs": CHECKS.get_by_names(["negative_data_rejection"])}
STREAMS = ["streamJob", "streamWorkspace"]  # they do not end; apps/api/tests/http/test_streams.py has their refusals
described = schemathesis.openapi.from_dict(json.loads(json.dumps(build().openapi())), config=CONFIG)
schema = described.exclude(operation_id=STREAMS)


class Callers:
    """A node that is enrolled at a gateway, and an administrator."""

    def __init__(self, gateway: Gateway) -> None:
        self.url = gateway.url
        self.node = SignedNode.enrolled(gateway)
        self.node.heartbeat()
        self._token = gateway.token(user="ada", role="admin")

    def admin(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send as the administrator."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send as the node."""
        now = int(time.time())
        body = request.body or b""
        claims = {
            "iss": self.node.node_id,
            "aud": NODE_TOKEN_AUDIENCE,
            "iat": now,
            "exp": now + NODE_TOKEN_SECONDS,
            "htm": request.method,
            "htu": urlsplit(str(request.url)).path,
            "bsh": hashlib.sha256(body if isinstance(body, bytes) else body.encode()).hexdigest(),
        }
        request.headers["Authorization"] = f"Bearer {jwt.encode(claims, self.node.key, algorithm='EdDSA')}"
        return request


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    gateway = Gateway(folder / "data", folder / "gateway.log")
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.process.stop()


@pytest.fixture
def callers(gateway: Gateway) -> Callers:
    """A node of the test's own: one of the requests revokes it."""
    return Callers(gateway)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_is_a_fault_and_no_answer_undescribed(case: Any, callers: Callers) -> None:
    schemes = {name for each in case.operation.definition.raw["security"] for name in each}
    sent_by = callers.signed if "nodeToken" in schemes else callers.admin
    if "management_node_id" in case.path_parameters:
        case.path_parameters["management_node_id"] = callers.node.node_id
    wait = case.body.get("wait_seconds", 20) if isinstance(case.body, dict) else None
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait <= LEASE_WAIT_MAX_SECONDS:
        case.body["wait_seconds"] = 0  # a poll that holds is not waited for
    unchecked = LOOSE.get(case.operation.definition.raw["operationId"], [])
    case.call_and_validate(base_url=callers.url, auth=sent_by, checks=HELD_TO, excluded_checks=unchecked, timeout=30)
