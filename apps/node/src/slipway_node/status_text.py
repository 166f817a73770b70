"""A node's status as text for a person."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from slipway_node.journal import CommandState, OutboxState
from slipway_node.status import OpenExecution, Status

NEVER = "never"
OF_THE_SCHEDULER = {"scheduler_trouble": "cannot be used", "scheduler_warning": "not set up as it has to be"}


def status_text(status: Status) -> str:
    """Return the status in lines of ``what: how``."""
    lines = [
        f"node:          {status.node_name} ({status.management_node_id}), tenant {status.tenant_id}",
        f"gateway:       {status.gateway_url}",
        f"agent:         {_agent(status)}",
        *([f"home:          {status.home_trouble}"] if status.home_trouble else []),
        *_seen(status),
        *([f"journal:       {status.journal_trouble}"] if status.journal_trouble else _journaled(status)),
    ]
    return "\n".join(lines)


def _agent(status: Status) -> str:
    holder = status.agent
    if holder is None:
        return "not running"
    match status.agent_alive:
        case True:
            return f"running, pid {holder.pid} on {holder.host}"
        case False:
            return f"not running; pid {holder.pid} ended without a word"
        case None:
            return f"perhaps running, pid {holder.pid} on {holder.host}"


def _seen(status: Status) -> list[str]:
    seen = status.seen
    if seen is None:
        return ["last contact:  never"]
    contact = seen.last_contact.isoformat(timespec="seconds") if seen.last_contact else NEVER
    lines = [
        _when(seen.written_at, is_kept_up=status.agent_alive is True),
        f"last contact:  {contact}" + (f"; since then: {seen.last_error}" if seen.last_error else ""),
        f"lease:         epoch {seen.epoch or 'none'}, node {seen.node_state or 'unknown'}",
        f"clock:         {_skew(seen.clock_skew_seconds)}",
        *engine_lines(seen.engine),
        f"policy:        version {seen.policy_version}",
    ]
    if seen.policy_error:
        lines.append(f"policy file:   not taken: {seen.policy_error}")
    return lines


def _when(written_at: datetime, *, is_kept_up: bool) -> str:
    """Return when an agent saw what is told below; nobody keeps that up where none runs."""
    at = written_at.isoformat(timespec="seconds")
    if is_kept_up:
        return f"seen:          at {at}"
    return f"last seen:     at {at}; down to the policy all is as it was then"


def _journaled(status: Status) -> list[str]:
    tried = "tried again" if status.agent_alive else "was tried again"
    letters = status.dead_letters or []
    return [
        f"jobs:          {_counts(status.commands or {})}",
        f"outbox:        {_counts(status.outbox or {})}",
        *[_execution(execution, tried) for execution in status.open_executions or []],
        *[f"  dead letter {letter.event_id} of {letter.submission_id}: {letter.refusal}" for letter in letters],
    ]


def _execution(execution: OpenExecution, tried: str) -> str:
    process = execution.execution_id or "no process yet"
    told = execution.reported or "nothing told yet"
    trouble = f"; {tried}: {execution.trouble}" if execution.trouble else ""
    return f"  {execution.job_id}  {execution.submission_id}  {process}  {told}{trouble}"


def engine_lines(health: Mapping[str, JsonValue]) -> list[str]:
    """Return what it says of itself in one line, and each part's trouble in one of its own."""
    plain = {key: value for key, value in health.items() if not isinstance(value, dict) and key not in OF_THE_SCHEDULER}
    lines = [f"engine:        {', '.join(f'{key} {_plain(value)}' for key, value in plain.items())}"]
    lines += [f"scheduler:     {said}: {health[key]}" for key, said in OF_THE_SCHEDULER.items() if key in health]
    if isinstance(silent := health.get("silent"), dict):
        lines += [f"silent:        {what}: {why}" for what, why in silent.items()]
    if isinstance(last := health.get("last_brought_back"), dict):
        lines.append(f"brought back:  last the {last['what']}, at {last['at']}: {last['why']}")
    return lines


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _skew(seconds: float) -> str:
    if seconds == 0:
        return "agrees with the gateway's"
    return f"{abs(seconds):g} s {'behind' if seconds > 0 else 'ahead of'} the gateway's, corrected for"


def _counts(counts: Mapping[CommandState, int] | Mapping[OutboxState, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "none"
