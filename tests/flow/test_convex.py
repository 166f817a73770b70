"""From submit to visible result with Convex as Product SoR: our true functions on the stand-in of convex/testing.

The stand-in is no backend (it says so in its first line); gateway, agent and AiiDA are real.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack import Gateway, Node, running, wait_until
from product import Product, Stack, counting_job, effects_of
from testing_host import CONVEX, SECRET, TestingHost

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("pnpm"), pytest.mark.timeout(240)]

JOB_SECONDS = 2.0
CHANGES = [
    ("submitted", "queued"),
    ("event", "queued"),
    ("event", "running"),
    ("event", "succeeded"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[TestingHost]:
    made = TestingHost()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stack(host: TestingHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on AiiDA's core.direct whose gateway keeps nothing on this machine."""
    root = tmp_path_factory.mktemp("convex")
    shared = root / "shared"
    shared.mkdir()
    store = {
        "SLIPWAY_STORE_URL": f"convex+{host.url}",
        "SLIPWAY_STORE_SECRET": SECRET,
        "SLIPWAY_SOLE_GATEWAY": "true",
        "SLIPWAY_ALLOW_TESTING_STORE": "true",
        "SLIPWAY_STORE_TIMEOUT_SECONDS": "2",
    }
    gateway = Gateway(root / "gateway", root / "gateway.log", env=store)
    node = Node(root / "node", root / "node.log")
    options = ["--scheduler", "direct", "--input-prefix", shared.as_uri()]
    with running(gateway, node, options=options) as node_id:
        yield Stack(gateway, node, Product(gateway.url, gateway.token(), node_id), shared)


def began(stack: Stack) -> tuple[str, Path]:
    """Submit a counting job and return when it is in the middle of its work."""
    uri, effects = counting_job(stack.shared, JOB_SECONDS)
    job_id = stack.product.submit(uri)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    return job_id, effects


def assert_once(stack: Stack, job_id: str, effects: Path) -> None:
    """The job ended, its effect is there once, and so is each of its changes, in order."""
    assert stack.product.wait(job_id, timeout_seconds=120)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]
    changes = [(entry["kind"], entry["projection_state"]) for entry in stack.product.timeline(job_id)]
    assert changes == CHANGES


def test_a_job_goes_its_whole_way_and_is_read_with_its_result(stack: Stack) -> None:
    job_id, effects = began(stack)
    running_ = stack.product.wait(job_id, {"running"})
    assert (running_["running_seconds"] is not None, running_["stale"]) == (True, False)
    assert_once(stack, job_id, effects)
    seen = stack.product.projection(job_id)
    assert seen["result_ref"]["output_uri"].startswith("file:")
    assert (seen["display_message"], seen["queued_seconds"] >= 0) == ("Done", True)
    assert not list((stack.gateway.data_dir).glob("*.db*"))


@pytest.mark.tenant_boundary("reads")
def test_a_page_of_the_product_shows_the_job_to_its_tenant_alone(host: TestingHost, stack: Stack) -> None:
    """What reads is TypeScript, as a page would: convex/tests/live/page.test.ts."""
    uri, _ = counting_job(stack.shared, 0)
    job_id = stack.product.submit(uri)
    assert stack.product.wait(job_id)["projection_state"] == "succeeded"
    reader = {
        "SLIPWAY_CONVEX_URL": host.url,
        "SLIPWAY_PAGE_TOKEN": stack.product.token,
        "SLIPWAY_OTHER_TOKEN": stack.gateway.token(tenant="another", workspace="physics", user="eve"),
        "SLIPWAY_JOB_ID": job_id,
    }
    read = subprocess.run(
        ["pnpm", "-C", str(CONVEX), "run", "test:live"],
        env=os.environ | reader,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert read.returncode == 0, read.stdout + read.stderr


@pytest.mark.idempotency("execution-event")
def test_what_convex_refuses_or_answers_too_late_is_lost_and_doubled_nowhere(host: TestingHost, stack: Stack) -> None:
    for operation in ("create-submissions", "lease-commands", "ack-commands", "apply-projection-updates"):
        host.inject("timeout_after_commit", operation)
        host.inject("occ_503", operation, times=2)
        host.inject("overloaded_429", operation)
    uri, effects = counting_job(stack.shared, 0)
    try:
        assert_once(stack, stack.product.submit(uri), effects)
    finally:
        host.heal()


@pytest.mark.idempotency("execution-event")
def test_the_gateway_killed_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = began(stack)
    stack.gateway.process.kill()
    wait_until("the job ended while no gateway was there", lambda: effects_of(effects) == ["began", "ended"])
    stack.gateway.start()
    assert_once(stack, job_id, effects)


def test_while_convex_is_away_a_product_is_told_to_come_again_and_the_job_goes_on(
    host: TestingHost, stack: Stack
) -> None:
    job_id, effects = began(stack)
    with host.stopped():
        refused = stack.product.request("GET", f"/jobs/{job_id}")
        assert (refused.status_code, refused.json()["code"]) == (503, "product_store_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        wait_until("the job ended while Convex was away", lambda: effects_of(effects) == ["began", "ended"])
    assert_once(stack, job_id, effects)
