"""An engine that never comes back from a call: it is told of, and the agent ends for another to take its place."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from slipway_node.agent.agent import Agent
from slipway_node.agent.sighting import SightFile
from slipway_node.ports import EngineStandsStillError


@pytest.fixture
def deaf(lab):
    """An engine that answers neither how it is nor that it is to stop."""
    lab.timing = replace(lab.timing, health_answer=0.02, engine_stop=0.1)
    return lab


async def health(agent: Agent, word: str) -> None:
    async with asyncio.timeout(5.0):
        while agent._context.sight.health["engine"] != word:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


async def test_an_engine_with_work_in_hand_is_told_of_as_busy_and_one_that_does_nothing_as_standing_still(deaf):
    async with deaf.agent() as agent:
        await health(agent, "scripted")
        deaf.engine.answers.clear()
        await health(agent, "busy")
        deaf.engine.still_seconds = 20.0
        await health(agent, "stands still")
        deaf.engine.still_seconds = 0.0
        deaf.engine.answers.set()
        await health(agent, "scripted")


async def test_an_agent_whose_engine_stands_still_for_long_ends(deaf):
    async with deaf.context() as context:
        work = asyncio.create_task(Agent(context).run())
        await asyncio.wait_for(context.engine_up.wait(), 5.0)
        deaf.engine.answers.clear()
        deaf.engine.still_seconds = context.timing.stands_still
        with pytest.raises(EngineStandsStillError):
            await asyncio.wait_for(work, 5.0)
        left = SightFile.model_validate_json(context.home.status_file.read_text())
    assert deaf.engine.asked["stop"] == 0  # it would not answer
    assert left.engine["engine"] == "stands still"  # also where nobody had asked how it is since


async def test_an_agent_that_is_to_stop_does_not_wait_for_an_engine_that_never_does(deaf):
    with contextlib.ExitStack() as raised:
        raised.enter_context(pytest.raises(EngineStandsStillError))
        async with deaf.agent() as agent:
            await health(agent, "scripted")
            deaf.engine.answers.clear()
