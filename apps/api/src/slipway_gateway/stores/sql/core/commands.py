"""Statements on commands: offers, leases, acks."""

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, or_, select, update

from slipway_contracts.node_protocol import CommandKind
from slipway_gateway.stores.sql.core.definition import Insert, Keyed, constant
from slipway_gateway.stores.sql.core.jobs import RECORD
from slipway_gateway.stores.sql.core.schema import COMMANDS, SUBMISSIONS

_OFFER = (COMMANDS.c.sequence, COMMANDS.c.command_id, COMMANDS.c.kind, COMMANDS.c.submission_id)
_THIS_COMMAND = COMMANDS.c.sequence == bindparam("of")


def _offers(state: str, *conditions: ColumnElement[bool]) -> Select[tuple[int, str, str, str]]:
    """Select a node's oldest commands in ``state``; each kind of offer reads its own stretch of one index."""
    return (
        select(*_OFFER)
        .where(COMMANDS.c.management_node_id == bindparam("node"), COMMANDS.c.state == constant(state), *conditions)
        .order_by(COMMANDS.c.sequence)
        .limit(bindparam("most"))
    )


QUERIES = {
    "pending": _offers("pending"),
    "lease_over": _offers(
        "leased", or_(COMMANDS.c.lease_expires_at <= bindparam("now"), COMMANDS.c.lease_epoch < bindparam("epoch"))
    ),
    "journal_lost": _offers("acked", COMMANDS.c.journal_id != bindparam("journal")),
    "lease": (
        update(COMMANDS)
        .where(_THIS_COMMAND)
        .values(state=constant("leased"), lease_epoch=bindparam("epoch"), lease_expires_at=bindparam("expires"))
    ),
    "ack": (
        update(COMMANDS)
        .where(_THIS_COMMAND)
        .values(state=constant("acked"), journal_id=bindparam("journal"), lease_expires_at=None)
    ),
    # A journal has held the submit command, be it one that was lost since.
    "was_acked": select(COMMANDS.c.command_id).where(
        and_(
            COMMANDS.c.submission_id == bindparam("submission"),
            COMMANDS.c.kind == constant(CommandKind.SUBMIT.value),
            COMMANDS.c.journal_id.is_not(None),
        )
    ),
}
KEYED = {
    "leased_submissions": Keyed(
        lambda keys: select(*RECORD, SUBMISSIONS.c.traceparent, SUBMISSIONS.c.command).where(keys),
        SUBMISSIONS.c.submission_id,
    ),
    "commands_by_id": Keyed(
        lambda keys: (
            select(
                COMMANDS.c.command_id,
                COMMANDS.c.sequence,
                COMMANDS.c.management_node_id,
                COMMANDS.c.state,
                COMMANDS.c.journal_id,
            )
            .where(keys)
            .with_for_update()
        ),
        COMMANDS.c.command_id,
    ),
    # What the node holds is done; what it never acked is withdrawn, and its late ack is told so.
    "close_commands": Keyed(
        lambda keys: (
            update(COMMANDS)
            .where(keys, COMMANDS.c.state.in_([constant("pending"), constant("leased"), constant("acked")]))
            .values(state=case((COMMANDS.c.state == constant("acked"), constant("done")), else_=constant("dropped")))
        ),
        COMMANDS.c.submission_id,
    ),
}
INSERTS = {"insert_commands": Insert(COMMANDS, out=[COMMANDS.c.sequence])}
