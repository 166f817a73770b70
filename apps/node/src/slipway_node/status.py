"""What `slipway-node status` tells, read beside a running agent or without one."""

import sqlite3
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway_contracts.fields import UtcTime
from slipway_node.agent.sighting import SightFile
from slipway_node.dead_letters import DeadLetter, letter_of
from slipway_node.home import Home
from slipway_node.journal import CommandState, Journal, OutboxState
from slipway_node.lock import Holder, holder_in, is_alive


class OpenExecution(BaseModel):
    """A submission of this node that has not ended."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    job_id: str
    workspace_id: str
    state: CommandState
    execution_id: str | None
    reported: str | None
    trouble: str | None


class Status(BaseModel):
    """A node's status. ``agent_alive`` None where the lock is another machine's."""

    model_config = ConfigDict(frozen=True)

    node_name: str
    management_node_id: str
    tenant_id: str
    gateway_url: str
    read_at: UtcTime
    agent: Holder | None
    agent_alive: bool | None
    seen: SightFile | None
    journal_id: str | None
    commands: dict[CommandState, int]
    open_executions: list[OpenExecution]
    open_cancels: int
    outbox: dict[OutboxState, int]
    dead_letters: list[DeadLetter]


def status_of(home: Home, me: Holder, now: datetime) -> Status:
    """Read the status of ``home``; raises NotEnrolledError."""
    identity = home.identity()
    holder = holder_in(home.lock_file)
    seen = _seen(home)
    parts = _from_journal(home, now, seen.troubles if seen else {})
    return Status(
        node_name=identity.node_name,
        management_node_id=identity.management_node_id,
        tenant_id=identity.tenant_id,
        gateway_url=identity.gateway_url,
        read_at=now,
        agent=holder,
        agent_alive=False if holder is None else is_alive(holder, me),
        seen=seen,
        **parts,
    )


def _seen(home: Home) -> SightFile | None:
    try:
        return SightFile.model_validate_json(home.status_file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _from_journal(home: Home, now: datetime, troubles: dict[str, str]) -> dict[str, object]:
    try:
        journal = Journal.open_for_reading(home.journal_file, clock=lambda: now)
    except sqlite3.OperationalError:
        return {
            "journal_id": None, "commands": {}, "open_executions": [], "open_cancels": 0, "outbox": {},
            "dead_letters": [],
        }  # fmt: skip
    try:
        tally = journal.tally()
        return {
            "journal_id": journal.journal_id,
            "commands": tally.commands,
            "open_executions": [
                OpenExecution(
                    submission_id=entry.command.submission_id,
                    job_id=entry.command.job_id,
                    workspace_id=entry.command.workspace_id,
                    state=entry.state,
                    execution_id=entry.execution_id,
                    reported=entry.reported,
                    trouble=troubles.get(entry.command.submission_id),
                )
                for entry in [*journal.startable(), *journal.executions()]
            ],
            "open_cancels": len(journal.open_cancels()),
            "outbox": tally.outbox,
            "dead_letters": [letter_of(event) for event in journal.dead_letters()],
        }
    finally:
        journal.close()
