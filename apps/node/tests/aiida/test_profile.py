"""Setting the node's AiiDA profile up, once and again."""

import json
from pathlib import Path

import pytest

from slipway_node.aiida import profile
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.amqp_address import amqp_address
from slipway_node.ports import EngineSetUpOtherwiseError, EngineUnavailableError

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("rabbitmq")]

SCHEDULER = SchedulerKind.DIRECT


def broker_of(home: Path) -> dict[str, object]:
    configuration = json.loads((home / "aiida" / ".aiida" / "config.json").read_text())
    return configuration["profiles"][profile.PROFILE]["process_control"]


def test_a_profile_keeps_its_kind_of_broker(homes, rabbitmq):
    home = homes(SCHEDULER, "zeromq")

    with pytest.raises(EngineSetUpOtherwiseError, match="zeromq"):
        profile.set_up(home, SCHEDULER, amqp_address(rabbitmq.url))

    assert broker_of(home)["backend"] == "core.zeromq"


def test_rabbitmqs_address_may_change_and_stays_where_none_is_said(homes, rabbitmq):
    home = homes(SCHEDULER, "rabbitmq")

    profile.set_up(home, SCHEDULER, amqp_address(f"{rabbitmq.url}?heartbeat=30"))
    profile.set_up(home, SCHEDULER)

    assert broker_of(home)["config"]["broker_parameters"] == {"heartbeat": "30"}


def test_a_rabbitmq_that_does_not_let_the_node_in_is_refused_before_a_profile_is_made(tmp_path, rabbitmq):
    with pytest.raises(EngineUnavailableError) as refused:
        profile.set_up(tmp_path, SCHEDULER, amqp_address(rabbitmq.url.replace("tests-only", "an-old-one")))

    assert "an-old-one" not in str(refused.value)
    assert not list(tmp_path.rglob("*.sqlite"))
