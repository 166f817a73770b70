"""The journal's tables and how its file is opened."""

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 1
BUSY_SECONDS = 10.0  # `status` reads beside the agent; a checkpoint is over in milliseconds

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE commands (
        position INTEGER PRIMARY KEY,
        command_id TEXT NOT NULL UNIQUE,
        submission_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        queue_name TEXT,
        envelope TEXT NOT NULL,
        state TEXT NOT NULL,
        execution_id TEXT,
        reported TEXT,
        changed_at TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX commands_by_submission ON commands (submission_id, kind)",
    "CREATE INDEX commands_by_state ON commands (state, kind)",
    """CREATE TABLE outbox (
        sequence INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        submission_id TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        refusal TEXT,
        changed_at TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX outbox_pending ON outbox (sequence) WHERE state = 'pending'",
    "CREATE INDEX outbox_by_submission ON outbox (submission_id)",
)


def connect(path: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open the journal's file for writing: WAL, each commit on the disk before it returns."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, factory=factory)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal's file beside a running agent; raises sqlite3.OperationalError where there is none."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    connection.isolation_level = None
    connection.row_factory = sqlite3.Row
    return connection
