"""Migrations and plans: the schema is what the code says, and no statement of the store scans a table."""

import asyncio
import inspect
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores import migrate, open_store, schema_is_current, sqlite_path
from slipway_gateway.stores.sql.migrate import MIGRATIONS
from slipway_gateway.stores.sql.schema import METADATA, SCHEMA_REVISION
from slipway_gateway.stores.sql.sqlite import DIALECT, connect
from slipway_gateway.stores.sql.statements import Insert, Keyed, Query, compiled, compiled_for

MODULES = ("cancelling", "leasing", "ledger", "nodes", "projecting", "reading", "submitting")


def statements():
    """Every statement of the store: (name, text), keyed ones for one key and for many."""
    for module_name in MODULES:
        module = import_module(f"slipway_gateway.stores.sql.{module_name}")
        for name, value in inspect.getmembers(module):
            for each in value.values() if isinstance(value, dict) else [value]:
                match each:
                    case Query():
                        yield f"{module_name}.{name}", compiled(each, DIALECT).text
                    case Keyed():
                        for size in (1, 2, 32):
                            yield f"{module_name}.{name}[{size}]", compiled_for(each, size, DIALECT)
                    case _:
                        continue


def plan_of(file, text):
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", [None] * text.count("?")).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in sorted(set(statements()))])
def test_no_statement_scans_a_table_or_sorts_what_an_index_could(file, name, text):
    plan = plan_of(file, text)
    assert not [step for step in plan if step.startswith("SCAN")], plan
    if name not in ("cancelling.OPEN_PROJECTIONS", "reading.NODES_OF_TENANT"):  # a rare sort of a bounded list
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_the_store_has_statements_to_look_at():
    assert len(set(statements())) > 40
    assert any(isinstance(value, Insert) for value in vars(import_module("slipway_gateway.stores.sql.ledger")).values())


def test_the_newest_migration_is_the_revision_the_code_speaks():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_the_migrations_make_the_schema_the_code_speaks(file):
    engine = create_engine("sqlite://", creator=lambda: connect(file, read_only=False))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_migrating_creates_the_folders_and_may_be_repeated(tmp_path):
    path = tmp_path / "a" / "b" / "slipway.db"
    assert not schema_is_current(path)
    assert migrate(path) == migrate(f"sqlite:///{path}") == SCHEMA_REVISION
    assert schema_is_current(path)


def test_stores_that_start_together_on_nothing_migrate_once(tmp_path):
    path = tmp_path / "slipway.db"
    program = f"from slipway_gateway.stores import migrate; print(migrate({str(path)!r}))"
    with ThreadPoolExecutor() as pool:
        runs = list(
            pool.map(
                lambda _: subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False),
                range(3),
            )
        )
    assert [(run.stdout.strip(), run.stderr) for run in runs] == [(SCHEMA_REVISION, "")] * 3


def test_a_schema_of_a_newer_version_is_left_alone(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailableError):
        migrate(file)


def test_the_file_is_written_ahead_and_synced_in_full_with_foreign_keys(file):
    with closing(connect(file, read_only=False)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_opening_a_store_of_this_version_does_not_import_alembic(file):
    program = (
        "import asyncio, sys\n"
        "from slipway_gateway.stores import open_store\n"
        "async def main():\n"
        f"    store = await open_store({str(file)!r})\n"
        "    await store.check()\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


async def test_opening_a_store_on_nothing_makes_it(tmp_path):
    store = await open_store(tmp_path / "new" / "slipway.db")
    await store.check()
    await store.close()


@pytest.mark.parametrize("url", ["postgresql://host/db", "mysql://host/db"])
def test_a_url_of_another_kind_is_an_error(url):
    with pytest.raises(ValueError, match="not a kind of store"):
        sqlite_path(url)


def test_nothing_of_the_store_is_left_when_it_is_closed(file):
    async def open_and_close():
        store = await open_store(file)
        await store.check()
        await store.close()

    asyncio.run(open_and_close())
    assert not [path for path in file.parent.iterdir() if path.name != file.name]
