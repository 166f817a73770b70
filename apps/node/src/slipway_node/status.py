"""What `slipway-node status` tells, read beside a running agent or without one."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway_contracts.fields import UtcTime
from slipway_node.agent.sighting import SightFile
from slipway_node.dead_letters import DeadLetter, letter_of
from slipway_node.home import Home
from slipway_node.journal import CommandState, Journal, JournalUnusableError, OutboxState, read_beside_the_agent
from slipway_node.lock import Holder, holder_in, is_alive
from slipway_node.ports import EngineUnavailableError
from slipway_node.storage import why_not_writable


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
    """A node's status. ``agent_alive`` None where the lock is another machine's.

    ``home_trouble`` says why nothing can be written to the home, which an agent cannot write down there itself;
    ``journal_trouble`` why the journal cannot be read: nothing of what stands after it is known then.
    """

    model_config = ConfigDict(frozen=True)

    node_name: str
    management_node_id: str
    tenant_id: str
    gateway_url: str
    read_at: UtcTime
    agent: Holder | None
    agent_alive: bool | None
    home_trouble: str | None
    seen: SightFile | None
    journal_trouble: str | None = None
    journal_id: str | None = None
    commands: dict[CommandState, int] | None = None
    open_executions: list[OpenExecution] | None = None
    open_cancels: int | None = None
    outbox: dict[OutboxState, int] | None = None
    dead_letters: list[DeadLetter] | None = None


_NOTHING_YET: dict[str, object] = {
    "commands": {}, "open_executions": [], "open_cancels": 0, "outbox": {}, "dead_letters": [],
}  # fmt: skip


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
        home_trouble=_trouble_of(home),
        seen=seen,
        **parts,
    )


def _trouble_of(home: Home) -> str | None:
    try:
        return why_not_writable(home.root)
    except EngineUnavailableError as error:
        return str(error)


def _seen(home: Home) -> SightFile | None:
    try:
        return SightFile.model_validate_json(home.status_file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _from_journal(home: Home, now: datetime, troubles: dict[str, str]) -> dict[str, object]:
    try:
        with read_beside_the_agent(home.journal_file, clock=lambda: now) as journal:
            return _told_by(journal, troubles) if journal else dict(_NOTHING_YET)
    except JournalUnusableError as error:
        return {"journal_trouble": str(error)}


def _told_by(journal: Journal, troubles: dict[str, str]) -> dict[str, object]:
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
