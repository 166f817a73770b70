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
from slipway_gateway.stores.archive.kinds import KINDS
from slipway_gateway.stores.sql.core import generate
from slipway_gateway.stores.sql.core.archive import TABLES
from slipway_gateway.stores.sql.core.schema import METADATA, SCHEMA_REVISION
from slipway_gateway.stores.sql.migrate import MIGRATIONS, _upgrade, _use_write_ahead_log
from slipway_gateway.stores.sql.sqlite import TEXTS, connect
from slipway_gateway.stores.sql.statements import GROUP_MAX, Insert, Keyed, Query

MODULES = ("archive", "cancelling", "leasing", "ledger", "nodes", "projecting", "reading", "submitting")


def handles():
    """Every statement that an operation names."""
    for module_name in MODULES:
        module = import_module(f"slipway_gateway.stores.sql.{module_name}")
        for _, value in inspect.getmembers(module):
            for each in value.values() if isinstance(value, dict) else [value]:
                if isinstance(each, Query | Keyed | Insert):
                    yield each


def statements():
    """Every statement that reads or searches: (name, text), keyed ones for several numbers of keys."""
    for handle in set(handles()):
        match handle:
            case Query(name):
                yield name, TEXTS._by_name[name][0]
            case Keyed(name):
                for size in (1, 2, 7, GROUP_MAX):
                    yield f"{name}[{size}]", TEXTS.sized(handle, size)
            case Insert():
                continue


def plan_of(file, text):
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", [None] * text.count("?")).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in sorted(statements())])
def test_no_statement_scans_a_table_or_sorts_what_an_index_could(file, name, text):
    plan = plan_of(file, text)
    if name.startswith(("every_", "count_")):  # whole tables, for an export; but never sorted
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
        return
    assert not [step for step in plan if step.startswith("SCAN")], plan
    if name not in ("open_projections", "nodes_of_tenant"):  # a rare sort of a bounded list
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_the_checked_in_texts_are_what_the_statements_compile_to():
    assert generate.main(["--check"]) == 0


def test_every_statement_is_named_by_an_operation_and_every_name_has_a_statement():
    defined = set(TEXTS._by_name) | {name for name, _ in TEXTS._by_size}
    assert {handle.name for handle in handles()} == defined


def test_the_newest_migration_is_the_revision_the_code_speaks():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_an_archive_has_every_table_and_every_column_but_those_that_number_rows():
    assert {table.name for table in TABLES.values()} == set(METADATA.tables)
    for kind, table in TABLES.items():
        columns = [column for column in table.columns if column.name != "sequence"]
        assert [(each.name, each.type, each.optional) for each in KINDS[kind].fields] == [
            (column.name, column.type.python_type, column.nullable) for column in columns
        ]


@pytest.fixture
def migrated(tmp_path):
    """A store that has gone through every migration."""
    path = tmp_path / "migrated.db"
    _use_write_ahead_log(path)
    _upgrade(path)
    return path


def test_the_migrations_make_the_schema_the_code_speaks(migrated):
    engine = create_engine("sqlite://", creator=lambda: connect(migrated, read_only=False))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_new_store_has_the_schema_that_the_migrations_make(file, migrated):
    assert schema_of(migrated) == schema_of(file)


def schema_of(file):
    """What SQLite knows of the schema: every table's columns, foreign keys and indexes with their columns."""
    with closing(sqlite3.connect(file)) as connection:

        def ask(pragma, name):
            return connection.execute(f"PRAGMA {pragma}('{name}')").fetchall()

        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: (
                sorted(ask("table_info", table)),
                sorted(row[2:] for row in ask("foreign_key_list", table)),
                sorted(
                    (unique, [row[2] for row in ask("index_info", name)])
                    for _, name, unique, *_ in ask("index_list", table)
                ),
            )
            for table in tables
        }


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


@pytest.mark.parametrize("name", ["slipway.db", "new.db"])
def test_opening_a_new_store_or_one_of_this_version_imports_no_sql_library(file, name):
    program = (
        "import asyncio, sys\n"
        "from slipway_gateway.stores import open_store\n"
        "async def main():\n"
        f"    store = await open_store({str(file.with_name(name))!r})\n"
        "    await store.check()\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


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
