"""The node's key changed, with a kill between any two steps of it."""

import json
import os

import httpx
import pytest

from slipway_node import key_rotation, keys
from slipway_node.cli import stewarding
from slipway_node.lock import AgentLock, this_process


class KilledError(BaseException):
    """Stands for SIGKILL."""


def public_key_in(lab) -> str:
    return keys.public_key_of(keys.load(lab.home.key_file))


@pytest.fixture
def first_key(lab) -> str:
    return public_key_in(lab)


def test_the_node_has_a_new_key_and_the_gateway_takes_no_other(lab, steward, first_key):
    assert steward.run("rotate-key") == 0
    assert lab.gateway.public_key == public_key_in(lab) != first_key
    assert lab.gateway.next_public_key is None
    assert steward.run("drain") == 0


def test_the_new_key_is_told_as_json(lab, steward):
    steward.run("rotate-key", "--json")
    assert json.loads(steward.out) == {"management_node_id": "node-1", "public_key": public_key_in(lab)}


def test_only_the_owner_may_read_the_new_key_and_no_other_is_left(lab, steward):
    steward.run("rotate-key")
    assert lab.home.key_file.stat().st_mode & 0o777 == 0o600
    assert not lab.home.next_key_file.exists()


def test_the_next_key_is_on_the_disk_before_it_is_announced(lab, steward):
    seen: list[int] = []

    async def look(_: str) -> None:
        if not seen:
            seen.append(lab.home.next_key_file.stat().st_mode & 0o777)

    lab.gateway.before = look
    assert steward.run("rotate-key") == 0
    assert seen == [0o600]


class Scene:
    """What a kill is arranged on; nothing of it stays."""

    def __init__(self, gateway, patched: pytest.MonkeyPatch) -> None:
        self.gateway, self._patched = gateway, patched

    def answers_of_the_gateway(self, *, die_before: int = 0, die_after: int = 0) -> None:
        announce, calls = self.gateway._rotate_key, []

        async def mortal(body):
            calls.append(body)
            if len(calls) == die_before:
                raise KilledError
            answer = await announce(body)
            if len(calls) == die_after:
                raise KilledError
            return answer

        self._patched.setattr(self.gateway, "_rotate_key", mortal)

    def rename(self, rename) -> None:
        def mortal(file, path):
            rename(file, path)
            raise KilledError

        self._patched.setattr(key_rotation, "put_in_place", mortal)


def before_the_announcement(scene):
    scene.answers_of_the_gateway(die_before=1)


def after_the_announcement(scene):
    scene.answers_of_the_gateway(die_after=1)


def before_the_rename(scene):
    scene.rename(lambda *_: None)


def after_the_rename(scene):
    scene.rename(os.replace)


def before_the_first_use_is_answered(scene):
    # The gateway has checked the signature by then, which is the key's first use.
    scene.answers_of_the_gateway(die_before=2)


def after_the_first_use(scene):
    scene.answers_of_the_gateway(die_after=2)


KILLS = [
    before_the_announcement,
    after_the_announcement,
    before_the_rename,
    after_the_rename,
    before_the_first_use_is_answered,
    after_the_first_use,
]
kills = pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.__name__)


def die(lab, steward, kill) -> None:
    with pytest.MonkeyPatch.context() as patched:
        kill(Scene(lab.gateway, patched))
        with pytest.raises(KilledError):
            steward.run("rotate-key")


@kills
def test_a_node_that_was_killed_in_it_can_sign(lab, steward, kill):
    die(lab, steward, kill)
    assert steward.run("drain") == 0


@pytest.mark.idempotency("node-protocol")
@kills
def test_a_rotation_that_was_killed_is_run_again(lab, steward, first_key, kill):
    die(lab, steward, kill)
    assert steward.run("rotate-key") == 0
    assert lab.gateway.public_key == public_key_in(lab) != first_key
    assert lab.gateway.next_public_key is None
    assert not lab.home.next_key_file.exists()


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize("kill", KILLS[:3], ids=lambda kill: kill.__name__)
def test_a_repeated_rotation_goes_on_with_the_same_next_key(lab, steward, kill):
    die(lab, steward, kill)
    following = keys.public_key_of(keys.load(lab.home.next_key_file))
    steward.run("rotate-key")
    assert public_key_in(lab) == following


@pytest.mark.idempotency("node-protocol")
def test_an_announcement_whose_answer_was_lost_leaves_the_old_key_in_place(lab, steward, first_key):
    lab.gateway.answer_with = lambda _: httpx.Response(502, text="<html>")
    assert steward.run("rotate-key") == 3
    assert public_key_in(lab) == first_key


def test_a_first_use_that_was_not_answered_is_told_of(lab, steward, first_key):
    lab.gateway.answer_with = lambda _: httpx.Response(502) if lab.gateway.calls["rotate-key"] == 2 else None
    assert steward.run("rotate-key") == 3
    assert "the key is changed, but the old one is good until the new one's use" in steward.err
    assert public_key_in(lab) != first_key


def test_a_revoked_node_keeps_its_key(lab, steward, first_key):
    lab.gateway.state = stewarding.NodeState.REVOKED
    assert steward.run("rotate-key") == 1
    assert public_key_in(lab) == first_key


def test_a_running_agent_is_not_robbed_of_its_key(lab, steward, first_key):
    lock = AgentLock.acquire(lab.home.lock_file, this_process())
    assert steward.run("rotate-key") == 1
    lock.release()
    assert "runs already, and signs with the key that it began with" in steward.err
    assert public_key_in(lab) == first_key
    assert lab.gateway.calls == {}


@pytest.mark.usefixtures("steward")
async def test_an_agent_that_is_started_again_works_with_the_new_key(lab):
    await stewarding._rotate(lab.home, lab.home.identity())
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id))
    assert lab.gateway.refused == []
