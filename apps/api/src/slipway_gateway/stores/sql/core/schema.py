"""The tables of the SQL product store, for SQLite and PostgreSQL alike.

Times are integers, microseconds since 1970 UTC: they compare and index alike everywhere. JSON documents are text that
the contract's models read and write. ``change`` is the workspace's counter, incremented with every timeline row.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from slipway_gateway.stores.sql.core.definition import constant
from slipway_gateway.stores.sql.revision import SCHEMA_REVISION

__all__ = ["METADATA", "SCHEMA_REVISION"]

# Names are stated so that a later migration can drop what an earlier one made, on any database.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite gives out row ids only for a column of its own INTEGER type.
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, *, null: bool = False) -> "Column[str]":
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = False) -> "Column[int]":
    return Column(name, BigInteger, nullable=null)


NODES = Table(
    "nodes",
    METADATA,
    Column("management_node_id", Text, primary_key=True),
    _text("tenant_id"),
    _text("node_name"),
    _text("state"),
    _text("public_key"),
    _text("next_public_key", null=True),
    _number("epoch"),
    _number("enrolled_at"),
    _number("last_seen_at", null=True),
    _text("node_version", null=True),
    _text("policy", null=True),
    _text("capacity", null=True),
    _text("health"),
    _text("policy_version", null=True),
    Index(None, "tenant_id", "node_name"),
)
# Every start an agent ever made, so that a start delivered late never fences the agent that came after it.
AGENT_STARTS = Table(
    "agent_starts",
    METADATA,
    Column("management_node_id", Text, ForeignKey("nodes.management_node_id"), nullable=False),
    _text("agent_id"),
    _number("epoch"),
    _number("started_at"),
    PrimaryKeyConstraint("management_node_id", "agent_id"),
)
JOIN_TOKENS = Table(
    "join_tokens",
    METADATA,
    Column("token_sha256", Text, primary_key=True),
    _text("tenant_id"),
    _text("node_name"),
    _text("created_by"),
    _number("created_at"),
    _number("expires_at"),
    _number("spent_at", null=True),
    _text("management_node_id", null=True),
    _text("public_key", null=True),
)
# A row is written once; only `closed_state` changes: None while open, then the state the submission ended in.
SUBMISSIONS = Table(
    "submissions",
    METADATA,
    Column("submission_id", Text, primary_key=True),
    _text("tenant_id"),
    _text("workspace_id"),
    _text("job_id"),
    _number("attempt"),
    _text("idempotency_key"),
    _text("intent_sha256"),
    Column("management_node_id", Text, ForeignKey("nodes.management_node_id"), nullable=False),
    _number("accepted_at"),
    _text("trace_id"),
    _text("traceparent", null=True),
    _text("command"),
    _text("closed_state", null=True),
    UniqueConstraint("tenant_id", "workspace_id", "idempotency_key"),
    UniqueConstraint("tenant_id", "workspace_id", "job_id", "attempt"),
    Index(None, "management_node_id", "closed_state"),
)
# state: pending → leased → acked → done, or dropped when the submission ended before the ack.
COMMANDS = Table(
    "commands",
    METADATA,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("command_id", Text, nullable=False, unique=True),
    _text("management_node_id"),
    Column("submission_id", Text, ForeignKey("submissions.submission_id"), nullable=False),
    _text("kind"),
    _text("state"),
    _number("lease_epoch", null=True),
    _number("lease_expires_at", null=True),
    _text("journal_id", null=True),
    Index(None, "management_node_id", "state", "sequence"),
    Index(None, "submission_id"),
)
PROJECTIONS = Table(
    "projections",
    METADATA,
    _text("tenant_id"),
    _text("workspace_id"),
    _text("job_id"),
    Column("submission_id", Text, ForeignKey("submissions.submission_id"), nullable=False),
    _number("attempt"),
    _text("projection_state"),
    _text("source_execution_state", null=True),
    _text("management_node_id"),
    _text("execution_id", null=True),
    _text("scheduler_ref", null=True),
    _text("result_ref", null=True),
    _text("failure", null=True),
    _text("display_message", null=True),
    _number("cancel_requested_at", null=True),
    _number("submitted_at"),
    _number("updated_at"),
    _number("started_at", null=True),
    _number("ended_at", null=True),
    _number("change"),
    _text("trace_id"),
    _number("submitted_change"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "job_id"),
    Index(None, "tenant_id", "workspace_id", "submitted_change"),
)
# An event's row is its receipt. Its id is unique in its workspace and not beyond: an older emitter names its events
# itself, and one tenant's names must not be told by another's conflicts. Rows lie in the order they are written, and
# a job's are found by its submissions, whose ids lie in time: no random page is touched.
TIMELINE = Table(
    "timeline",
    METADATA,
    _text("tenant_id"),
    _text("workspace_id"),
    _number("change"),
    _text("kind"),
    _text("projection_event_id"),
    _text("job_id"),
    Column("submission_id", Text, ForeignKey("submissions.submission_id"), nullable=False),
    _number("attempt"),
    _text("projection_state"),
    _text("source_execution_state", null=True),
    _text("execution_id", null=True),
    _text("scheduler_ref", null=True),
    _text("result_ref", null=True),
    _text("failure", null=True),
    _text("display_message", null=True),
    _number("synthesized"),
    _number("occurred_at"),
    _number("recorded_at"),
    _text("trace_id"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "change"),
    Index(None, "submission_id", "change"),
    sqlite_with_rowid=False,
)
Index(
    "uq_timeline_receipt",
    TIMELINE.c.tenant_id,
    TIMELINE.c.workspace_id,
    TIMELINE.c.projection_event_id,
    unique=True,
    sqlite_where=TIMELINE.c.kind == constant("event"),
    postgresql_where=TIMELINE.c.kind == constant("event"),
)
WORKSPACES = Table(
    "workspaces",
    METADATA,
    _text("tenant_id"),
    _text("workspace_id"),
    _number("change"),
    _number("open_submissions"),
    PrimaryKeyConstraint("tenant_id", "workspace_id"),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    _number("recorded_at"),
    _text("tenant_id"),
    _text("actor"),
    _text("action"),
    _text("subject"),
)
