"""`slipway-gateway export` and `import` as processes: what they refuse, what they leave, and being killed."""

import asyncio
import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from store_world import OTHER_WORKSPACE, SCOPE, World
from testing_host import SECRET, TestingHost

from slipway_gateway.ports import JobFilter, UnfinishedImportError
from slipway_gateway.stores import open_store
from slipway_gateway.stores.archive.kinds import KINDS
from slipway_gateway.stores.convex.importing import BATCH_RECORDS

COMMAND = [str(Path(sys.executable).parent / "slipway-gateway")]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
JOBS = 200

pytestmark = pytest.mark.timeout(180)


async def lived(path: Path) -> None:
    """Let `JOBS` jobs live in a new store, a part of them to their end."""
    store = await open_store(path)
    world = World(store)
    node = await world.node()
    for at in range(0, JOBS, 50):
        scope = OTHER_WORKSPACE if at % 100 else SCOPE
        news = [world.new(world.command(node, scope=scope)) for _ in range(50)]
        for verdict in (await store.create_submissions(news))[:20]:
            await world.apply(*(world.update(verdict.record, state) for state in ("accepted", "running", "failed")))
    await store.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "slipway.db"
    asyncio.run(lived(path))
    return path


@pytest.fixture(scope="module")
def archive(source):
    file = source.with_name("store.jsonl")
    assert gateway("export", file, store=source).returncode == 0
    return file


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target.db"


@pytest.fixture(scope="module")
def host():
    started = TestingHost()
    yield started
    started.close()


def environment(store: object) -> dict[str, str]:
    return PLAIN | {
        "SLIPWAY_STORE_URL": str(store),
        "SLIPWAY_STORE_SECRET": SECRET,
        "SLIPWAY_ALLOW_TESTING_STORE": "true",
    }


def gateway(*arguments: object, store: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(store),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def started(*arguments: object, store: object) -> subprocess.Popen[bytes]:
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(argv, env=environment(store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def refused(done: subprocess.CompletedProcess[str], word: str, *, code: int = 1) -> None:
    assert (done.returncode, done.stdout) == (code, "")
    assert word in done.stderr
    assert done.stderr.count("\n") == 1


def records(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()[1:-1]


def tables(path: Path) -> list[str]:
    """Every row of a store, and its schema."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def test_a_store_goes_into_a_file_and_from_it_into_another_store(source, tmp_path, target):
    file = tmp_path / "store.jsonl"
    done = gateway("export", file, "--json", store=source)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["counts"]["submission"] == JOBS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {"store.jsonl"}
    done = gateway("import", file, "--json", store=f"sqlite:///{target}")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        **{name: told[name] for name in ("records", "counts", "workspaces")},
        "new": True,
    }
    assert gateway("check", store=target).returncode == 0
    assert tables(target) == tables(source)


def test_the_table_tells_of_each_kind_and_workspace(archive, target):
    lines = gateway("import", archive, store=target).stdout.splitlines()
    assert f"submission       {JOBS}" in lines
    assert lines[-2].split()[:2] == ["acme", "lab"]
    assert lines[-1].split()[:2] == ["acme", "plant"]


def test_a_file_that_exists_is_not_replaced_unless_told_so(source, tmp_path):
    file = tmp_path / "store.jsonl"
    file.write_text("mine")
    refused(gateway("export", file, store=source), "exists already")
    assert file.read_text() == "mine"
    assert gateway("export", file, "--force", store=source).returncode == 0
    assert records(file)


@pytest.mark.parametrize("content", [b"", b"something else" * 1000])
def test_what_is_no_store_is_not_exported(content, tmp_path):
    path = tmp_path / "other.db"
    refused(gateway("export", tmp_path / "f", store=path), "not there")
    path.write_bytes(content)
    refused(gateway("export", tmp_path / "f", store=path), "holds no store")
    assert not (tmp_path / "f").exists()


def test_a_full_disk_is_told_and_leaves_nothing(source, archive, tmp_path, target):
    def narrow():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    copy = shutil.copy(source, tmp_path / "copy.db")
    refused(gateway("export", tmp_path / "f", store=copy, preexec_fn=narrow), "cannot be written")
    assert {each.name for each in tmp_path.iterdir()} == {"copy.db"}
    done = gateway("import", archive, store=target, preexec_fn=narrow)
    assert done.returncode == 3
    assert gateway("import", archive, store=target).returncode == 0
    assert tables(target) == tables(source)


def test_a_store_that_a_gateway_has_open_is_neither_exported_nor_filled(archive, tmp_path, target):
    gateway("migrate", store=target)
    with closing(sqlite3.connect(target)) as gateways:
        gateways.execute("SELECT * FROM nodes").fetchall()
        refused(gateway("export", tmp_path / "f", store=target), "stop every gateway")
        refused(gateway("import", archive, store=target), "stop every gateway")
    assert not (tmp_path / "f").exists()
    assert gateway("import", archive, store=target).returncode == 0


def altered(content: bytes) -> bytes:
    return content.replace(b'"job_id":"', b'"job_id":"x', 1)


def resealed(content: bytes) -> bytes:
    """Seal what was changed anew, as one who knows how does."""
    *lines, end = content.splitlines(keepends=True)
    sealed = json.loads(end) | {"sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    return b"".join(lines) + json.dumps(sealed, separators=(",", ":")).encode() + b"\n"


BAD = {
    "empty": (lambda _: b"", "no export"),
    "foreign": (lambda _: b"PK\x03\x04 something else\n", "no export"),
    "of JSON": (lambda _: b'{"some": "thing"}\n', "no export"),
    "newer": (lambda content: content.replace(b'"version":1', b'"version":2', 1), "format 2"),
    "of another schema": (lambda content: content.replace(b'"schema":"0001"', b'"schema":"0002"', 1), "schema 0002"),
    "cut in a line": (lambda content: content[: len(content) // 2], "cut"),
    "cut after a line": (lambda content: b"".join(content.splitlines(keepends=True)[:-1]), "cut"),
    "without a record": (lambda content: content.replace(content.splitlines(keepends=True)[5], b"", 1), "altered"),
    "altered": (altered, "altered"),
    "lengthened": (lambda content: content + b"{}\n", "altered"),
    "of a kind unknown": (
        lambda content: content.replace(b'{"kind":"node"', b'{"kind":"nodule"', 1),
        "none of an export",
    ),
    "of a field unknown": (lambda content: content.replace(b'"node_name"', b'"nodename"', 1), "none of an export"),
    "resealed with less": (
        lambda content: resealed(content.replace(content.splitlines(True)[5], b"", 1)),
        "says it does",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_does_not_do_is_refused_and_nothing_is_written(name, archive, tmp_path, target):
    spoil, word = BAD[name]
    file = tmp_path / "bad.jsonl"
    content = archive.read_bytes()
    file.write_bytes(spoil(content))
    assert file.read_bytes() != content
    refused(gateway("import", file, store=target), word)
    assert not target.exists()


def test_records_that_contradict_each_other_leave_nothing(archive, tmp_path, target):
    content = archive.read_bytes()
    first = next(each for each in content.splitlines(keepends=True) if b'"kind":"command"' in each)
    orphan = json.loads(first)
    orphan["fields"]["submission_id"] = "nobody"
    file = tmp_path / "bad.jsonl"
    file.write_bytes(resealed(content.replace(first, json.dumps(orphan, separators=(",", ":")).encode() + b"\n", 1)))
    refused(gateway("import", file, store=target), "contradict")
    assert gateway("import", archive, store=target).returncode == 0


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
def test_an_import_into_a_file_that_is_killed_is_run_again_and_ends_the_same(part, source, archive, tmp_path, target):
    began = time.monotonic()
    assert gateway("import", archive, store=tmp_path / "whole.db").returncode == 0
    whole_seconds = time.monotonic() - began
    process = started("import", archive, store=target)
    time.sleep(part * whole_seconds)  # where it is killed does not matter; that it was at several places does
    process.kill()
    process.wait()
    if target.exists() and gateway("check", store=target).returncode == 0:
        with closing(sqlite3.connect(target)) as connection:
            assert connection.execute("SELECT count(*) FROM submissions").fetchone()[0] in (0, JOBS)
    assert gateway("import", archive, store=target).returncode == 0
    assert tables(target) == tables(source)


def test_an_export_that_is_killed_leaves_no_file_of_its_name(source, archive, tmp_path):
    file = tmp_path / "store.jsonl"
    process = started("export", file, store=source)
    deadline = time.monotonic() + 20
    while not file.with_name("store.jsonl.partial").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not file.exists()
    assert gateway("export", file, store=source).returncode == 0
    assert records(file) == records(archive)
    assert {each.name for each in tmp_path.iterdir()} == {"store.jsonl"}


def told(host, operation: str, asked: dict[str, object]) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return httpx.post(f"{host.url}/slipway/v1/{operation}", json=asked, headers=headers, timeout=30).json()


def lying(host, archive) -> int | None:
    """How many records of the archive lie in the deployment, None where its import is not open."""
    if not told(host, "check", {})["importing"]:
        return None
    import_id = json.loads(archive.read_bytes().splitlines()[-1])["sha256"][:32]
    return sum(told(host, "tally-import", {"import_id": import_id, "kind": kind})["count"] for kind in KINDS)


@pytest.mark.service("pnpm")
@pytest.mark.parametrize(
    ("operation", "passing", "kind", "batches"),
    [
        ("import-records", 1, "timeout_before_commit", 0),
        ("import-records", 2, "timeout_after_commit", 2),
        ("finish-import", 0, "timeout_before_commit", None),
    ],
)
def test_an_import_into_convex_that_is_killed_is_run_again_and_ends_the_same(  # noqa: PLR0917 - a table's columns
    operation, passing, kind, batches, source, archive, host
):
    host.reset()
    if passing:
        host.inject("slow", operation, times=passing, milliseconds=0)
    host.inject(kind, operation, milliseconds=25_000)  # it waits there until it is killed
    due = len(records(archive)) if batches is None else batches * BATCH_RECORDS
    url = f"convex+{host.url}"
    process = started("import", archive, store=url)
    try:
        deadline = time.monotonic() + 60
        while (there := lying(host, archive)) != due:
            assert time.monotonic() < deadline, f"{there} records"
            time.sleep(0.1)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    host.heal()
    refused(gateway("check", store=url), "unfinished import")
    with pytest.raises(UnfinishedImportError):
        asyncio.run(host.opened())
    assert gateway("import", archive, store=url).returncode == 0
    assert gateway("check", store=url).returncode == 0
    assert asyncio.run(jobs(url, host)) == asyncio.run(jobs(source, None))


async def jobs(url, host) -> list[object]:
    store = await (open_store(url) if host is None else host.opened())
    pages = [await store.list_jobs(scope, JobFilter(limit=JOBS)) for scope in (SCOPE, OTHER_WORKSPACE)]
    await store.close()
    return pages


@pytest.mark.service("pnpm")
def test_a_deployment_with_another_files_import_takes_no_other(archive, host, tmp_path):
    host.reset()
    url = f"convex+{host.url}"
    empty = tmp_path / "empty.jsonl"
    gateway("migrate", store=tmp_path / "empty.db")
    assert gateway("export", empty, store=tmp_path / "empty.db").returncode == 0
    assert gateway("import", empty, store=url).returncode == 0
    refused(gateway("import", archive, store=url), "something already")
    again = gateway("import", empty, store=url)
    assert (again.returncode, "already" in again.stderr) == (0, True)
    refused(gateway("export", tmp_path / "f", store=url), "Convex")
