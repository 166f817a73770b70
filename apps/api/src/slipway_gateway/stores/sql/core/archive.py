"""Statements on whole tables, each in the order in which its records go into an archive."""

from sqlalchemy import func, select

from slipway_gateway.stores.sql.core.definition import Insert
from slipway_gateway.stores.sql.core.schema import (
    AGENT_STARTS,
    AUDIT,
    COMMANDS,
    JOIN_TOKENS,
    NODES,
    PROJECTIONS,
    SUBMISSIONS,
    TIMELINE,
    WORKSPACES,
)

# By the kind of archive. What has a sequence lies in its order, and is numbered anew where it comes to.
TABLES = {
    "node": NODES,
    "agent_start": AGENT_STARTS,
    "join_token": JOIN_TOKENS,
    "submission": SUBMISSIONS,
    "command": COMMANDS,
    "projection": PROJECTIONS,
    "entry": TIMELINE,
    "workspace": WORKSPACES,
    "deed": AUDIT,
}
QUERIES = {
    f"every_{kind}": select(*(column for column in table.columns if column.name != "sequence")).order_by(
        *table.primary_key.columns
    )
    for kind, table in TABLES.items()
}
QUERIES |= {f"count_{kind}": select(func.count()).select_from(table) for kind, table in TABLES.items()}
KEYED: dict[str, object] = {}
INSERTS = {"insert_starts": Insert(AGENT_STARTS)}
