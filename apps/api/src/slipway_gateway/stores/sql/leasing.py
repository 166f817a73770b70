"""Surface 4 in the store: leases, epochs and acks (docs/contracts/node-protocol.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_protocol import CommandKind, NodeState
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway.ports import Acked, LeaseClaim, Leased, LeasedCommand
from slipway_gateway.stores.sql.rows import SUBMISSION_WIDTH, submission_record
from slipway_gateway.stores.sql.session import Session, each
from slipway_gateway.stores.sql.statements import Keyed, Query, Row
from slipway_gateway.stores.times import micros

PENDING = Query("pending")
LEASE_OVER = Query("lease_over")
JOURNAL_LOST = Query("journal_lost")
LEASE = Query("lease")
ACK = Query("ack")
LEASED_SUBMISSIONS = Keyed("leased_submissions")
COMMANDS_BY_ID = Keyed("commands_by_id")
NODE_EPOCH = Query("node_epoch")


@dataclass(frozen=True, slots=True)
class LeaseOutcome:
    """The port's answer, and the state of the other processes' writes it was read at."""

    answer: Leased | Refused
    foreign_version: tuple[int, int]


def _lease(session: Session, claim: LeaseClaim) -> LeaseOutcome:
    version = session.foreign_version()
    fenced = _fenced(session, claim.management_node_id, claim.epoch)
    if fenced is not None:
        return LeaseOutcome(fenced, version)
    of_node = {"node": claim.management_node_id, "most": claim.max_commands}
    offers = session.rows(PENDING, **of_node)
    offers += session.rows(LEASE_OVER, **of_node, now=micros(claim.now), epoch=claim.epoch)
    offers += session.rows(JOURNAL_LOST, **of_node, journal=claim.journal_id)
    offers = sorted(offers)[: claim.max_commands]
    expires = micros(claim.expires_at)
    session.run_each(LEASE, ({"of": offer[0], "epoch": claim.epoch, "expires": expires} for offer in offers))
    return LeaseOutcome(Leased(_commands(session, offers, claim.expires_at)), version)


def _commands(session: Session, offers: Sequence[Row], expires_at: datetime) -> tuple[LeasedCommand, ...]:
    ids = dict.fromkeys((offer[3],) for offer in offers)
    submissions = {row[0]: row for row in session.rows_of(LEASED_SUBMISSIONS, list(ids))}
    commands = []
    for _, command_id, kind, submission_id in offers:
        row = submissions[submission_id]
        is_submit = kind == CommandKind.SUBMIT.value
        commands.append(
            LeasedCommand(
                command_id=command_id,
                kind=CommandKind(kind),
                submission=submission_record(row[:SUBMISSION_WIDTH]),
                traceparent=row[SUBMISSION_WIDTH],
                expires_at=expires_at,
                command=SubmitJobCommand.model_validate_json(row[SUBMISSION_WIDTH + 1]) if is_submit else None,
            )
        )
    return tuple(commands)


def _fenced(session: Session, management_node_id: str, epoch: int) -> Refused | None:
    """Refuse an agent whose node is gone, or whose epoch is not the node's (a newer agent holds it)."""
    found = session.rows(NODE_EPOCH, node=management_node_id)
    if not found:
        return Refused(Code.MANAGEMENT_NODE_NOT_FOUND, f"no node {management_node_id}")
    state, standing = found[0]
    if state == NodeState.REVOKED.value:
        return Refused(Code.FORBIDDEN, "the node is revoked")
    if epoch != standing:
        return Refused(Code.LEASE_LOST, f"the node's epoch is {standing}, not {epoch}: a newer agent holds it")
    return None


LEASE_COMMANDS = each("lease_commands", _lease)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The commands that are durable in a journal."""

    management_node_id: str
    epoch: int
    journal_id: str
    command_ids: Sequence[str]


def _ack(session: Session, ack: Acknowledgement) -> Acked | Refused:
    fenced = _fenced(session, ack.management_node_id, ack.epoch)
    if fenced is not None:
        return fenced
    wanted = dict.fromkeys((command_id,) for command_id in ack.command_ids)
    found = {row[0]: row[1:] for row in session.rows_of(COMMANDS_BY_ID, list(wanted))}
    held: dict[str, bool] = {}
    acked: list[int] = []
    for (command_id,) in wanted:
        sequence, node_id, state, journal_id = found.get(command_id, (0, None, "dropped", None))
        held[command_id] = node_id == ack.management_node_id and state != "dropped"
        if held[command_id] and state != "done" and (state, journal_id) != ("acked", ack.journal_id):
            acked.append(sequence)
    session.run_each(ACK, ({"of": sequence, "journal": ack.journal_id} for sequence in acked))
    return Acked(tuple(held[command_id] for command_id in ack.command_ids))


ACK_COMMANDS = each("ack_commands", _ack)


def _foreign_version(session: Session, _nothing: None) -> tuple[int, int]:
    return session.foreign_version()


FOREIGN_VERSION = each("foreign_version", _foreign_version)
