"""`slipway-node` with points between an agent's steps; arguments are the command's."""

import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import clocks
from points import PATIENCE, STANDS_STILL, around, cross, cross_async, stepping, without
from subjects import Subjects


def _journal(subjects: Subjects) -> None:
    from slipway_node.journal import JournalThread

    original = JournalThread.call

    async def call(self: JournalThread, method: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        name = method.__name__
        points = subjects.of_journal(name, arguments) if subjects.is_step(name) else []
        return await stepping(points, lambda: original(self, method, *arguments, **named))

    JournalThread.call = call  # type: ignore[method-assign]


def _gateway(subjects: Subjects) -> None:
    from slipway_node.gateway_client import GatewayClient

    lease, ingest = GatewayClient.lease, GatewayClient.ingest

    async def leased(self: GatewayClient, *arguments: Any) -> Any:
        commands = await lease(self, *arguments)
        if commands:  # a poll that brought nothing is no step
            await cross_async("after gateway.lease")
        return commands

    async def ingested(self: GatewayClient, bodies: list[str], *arguments: Any) -> Any:
        return await stepping(subjects.of_ingest(bodies), lambda: ingest(self, bodies, *arguments))

    GatewayClient.lease = leased  # type: ignore[method-assign]
    GatewayClient.ingest = ingested  # type: ignore[method-assign]
    around(GatewayClient, "ack", "gateway.ack")


def _patience() -> None:
    from slipway_node import gateway_client

    if seconds := os.environ.get(PATIENCE):
        gateway_client.CALL_SECONDS = float(seconds)
        gateway_client.GatewayClient._post.__kwdefaults__["wait_seconds"] = float(seconds)


def _no_standstill() -> None:
    from slipway_node import running

    timing = running._timing
    if seconds := os.environ.get(STANDS_STILL):
        running._timing = lambda settings: replace(timing(settings), health=1.0, stands_still=float(seconds))


def _engine() -> None:
    from aiida.engine import utils

    from slipway_node import running
    from slipway_node.aiida import submission
    from slipway_node.aiida.engine import AiidaEngine

    around(running, "fetch", "fetch")
    around(running, "publish", "publish")
    around(AiidaEngine, "find", "engine.find")
    around(AiidaEngine, "launch", "engine.launch")
    around(AiidaEngine, "collect", "engine.collect")
    around(AiidaEngine, "kill", "engine.kill")
    around(submission, "store", "launch.store")
    around(submission, "hand_over", "launch.hand_over")
    make = utils.instantiate_process

    def made(*arguments: Any, **named: Any) -> Any:
        cross("between launch.inputs and launch.process")
        instance = make(*arguments, **named)
        cross("before launch.commit")
        return instance

    utils.instantiate_process = made


def _unprotected() -> None:
    """Take out what the agent protects a job by."""
    from slipway_node import events
    from slipway_node.aiida import placement, queries

    if without("labels"):
        queries.execution_ids = lambda _submission_ids: {}
        queries.changed_since = lambda _moment: []
    if without("claim"):
        placement.claim = lambda: ":"
    if without("ids"):
        events.event_id_for = lambda *_of: str(uuid.uuid4())


if __name__ == "__main__":
    clocks.keep_time()
    from slipway_node.cli import main

    _unprotected()
    _patience()
    _no_standstill()
    subjects = Subjects()
    _journal(subjects)
    _gateway(subjects)
    _engine()
    main()
