"""Nothing of Redis or a task queue is in this repository (docs/contracts/redis-rq-retirement-boundary.md)."""

import subprocess
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from . import markdown, retirement

ROOT = Path(__file__).parents[2]
BOUNDARY = ROOT / "docs" / "contracts" / "redis-rq-retirement-boundary.md"
CONFIGURATION = {".yml", ".yaml", ".toml", ".sh", ".env", ".ini", ".cfg", ".service", ""}


def repository_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(path for name in set(listing.stdout.splitlines()) if (path := ROOT / name).is_file())


def files(*suffixes: str) -> list[Path]:
    return [path for path in repository_files() if path.suffix in suffixes]


def is_test(path: Path) -> bool:
    return "tests" in path.relative_to(ROOT).parts


def exceptions() -> list[dict[str, str]]:
    body = markdown.sections(BOUNDARY.read_text(encoding="utf-8"), 2)["Exceptions"]
    return [dict(row) for row in markdown.table(body)]


def told(found: dict[Path, list[str]]) -> list[str]:
    """Return what was found, but for what a standing exception names."""
    excused = {row["what"] for row in exceptions()}
    return [
        f"{path.relative_to(ROOT)}: {name}" for path, names in found.items() for name in names if name not in excused
    ]


def test_no_lock_file_resolves_a_retired_package() -> None:
    locks = {path: retirement.in_uv_lock(path.read_text()) for path in repository_files() if path.name == "uv.lock"}
    locks |= {p: retirement.in_pnpm_lock(p.read_text()) for p in repository_files() if p.name == "pnpm-lock.yaml"}
    assert ROOT / "uv.lock" in locks
    assert told(locks) == []


def test_no_python_source_imports_a_retired_module() -> None:
    sources = files(".py")
    assert sources
    assert told({path: retirement.in_python_imports(path.read_text(encoding="utf-8")) for path in sources}) == []


def test_no_javascript_source_imports_a_retired_package() -> None:
    sources = files(".ts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")
    found = {path: retirement.in_javascript_imports(path.read_text(encoding="utf-8")) for path in sources}
    assert told(found) == []


def test_no_setting_is_named_after_a_retired_thing() -> None:
    sources = [path for path in files(".py") if not is_test(path)]
    found = {path: retirement.in_python_settings(path.read_text(encoding="utf-8")) for path in sources}
    scripts = [path for path in files(*CONFIGURATION) if path.name not in {"uv.lock", "pnpm-lock.yaml", "LICENSE"}]
    found |= {p: retirement.in_environment_names(p.read_text(encoding="utf-8", errors="replace")) for p in scripts}
    assert told(found) == []


def test_no_compose_file_runs_a_retired_thing() -> None:
    composed = [path for path in files(".yml", ".yaml") if "compose" in path.name]
    assert told({path: retirement.in_compose_file(path.read_text()) for path in composed}) == []


def test_no_document_names_a_retired_thing_as_an_owner() -> None:
    pages = files(".md")
    assert BOUNDARY in pages
    found = {
        page: [
            cell for rows in markdown.tables(page.read_text(encoding="utf-8")) for cell in retirement.in_owners(rows)
        ]
        for page in pages
    }
    assert told(found) == []


def test_every_exception_has_an_owner_a_reason_a_date_to_come_and_an_issue() -> None:
    assert retirement.exception_faults(exceptions(), datetime.now(UTC).date()) == []


def test_the_exceptions_table_has_the_columns_that_the_boundary_demands() -> None:
    body = markdown.sections(BOUNDARY.read_text(encoding="utf-8"), 2)["Exceptions"]
    assert "| what | owner | reason | expiry | removal issue |" in body


def test_import_linter_forbids_the_retired_modules_to_every_package_of_ours() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [each for each in linter["contracts"] if "redis" in each.get("forbidden_modules", [])]
    assert set(contract["forbidden_modules"]) >= retirement.RETIRED
    assert set(contract["source_modules"]) == set(linter["root_packages"])


class TestTheChecksFind:
    def test_a_locked_python_package(self) -> None:
        lock = '[[package]]\nname = "httpx"\n[[package]]\nname = "celery"\n[[package]]\nname = "hiredis"\n'
        assert retirement.in_uv_lock(lock) == ["celery", "hiredis"]

    def test_a_locked_javascript_package(self) -> None:
        lock = "packages:\n  vitest@4.1.0: {}\n  '@redis/client@5.0.0': {}\n  bullmq@5.1.0: {}\n"
        assert retirement.in_pnpm_lock(lock) == ["@redis/client", "bullmq"]

    @pytest.mark.parametrize(
        "source",
        [
            "import redis",
            "import redis.asyncio as store",
            "from rq import Queue",
            "def late():\n    from celery.app import shared_task",
            "import importlib\nimportlib.import_module('arq.worker')",
            "__import__('dramatiq')",
        ],
    )
    def test_a_python_import(self, source: str) -> None:
        assert len(retirement.in_python_imports(source)) == 1

    @pytest.mark.parametrize("source", ["# import redis", "x = 'import redis'", "from .rq import x", "import requests"])
    def test_no_python_import_where_there_is_none(self, source: str) -> None:
        assert retirement.in_python_imports(source) == []

    @pytest.mark.parametrize(
        "source",
        [
            'import { createClient } from "redis";',
            "import Redis from 'ioredis'",
            'import "bullmq"',
            'const q = require("bull")',
            'await import("@redis/client")',
        ],
    )
    def test_a_javascript_import(self, source: str) -> None:
        assert len(retirement.in_javascript_imports(source)) == 1

    @pytest.mark.parametrize("source", ['// import "redis"', '/* require("bull") */', 'import x from "./redis"'])
    def test_no_javascript_import_where_there_is_none(self, source: str) -> None:
        assert retirement.in_javascript_imports(source) == []

    @pytest.mark.parametrize(
        "source",
        [
            "class Settings:\n    redis_url: str",
            "def connect(rq_queue): ...",
            "os.environ['SLIPWAY_CELERY_BROKER']",
            "Settings(arq_workers=2)",
            "self.redis_pool = None",
        ],
    )
    def test_a_settings_name(self, source: str) -> None:
        assert len(retirement.in_python_settings(source)) == 1

    @pytest.mark.parametrize("source", ["parquet_path = 1", "class Search:\n    sharq: int", "'REQUIRE_SERVICES'"])
    def test_no_settings_name_in_a_longer_word(self, source: str) -> None:
        assert retirement.in_python_settings(source) == []

    def test_an_environment_name_in_a_script(self) -> None:
        assert retirement.in_environment_names("export REDIS_URL=x PATH=y") == ["REDIS_URL"]

    def test_a_composed_service_by_its_name_its_image_and_its_command(self) -> None:
        services = "redis: {build: .}, cache: {image: 'redis:7'}, work: {command: rq worker}, ok: {image: x}"
        assert retirement.in_compose_file(f"services: {{{services}}}") == ["cache", "redis", "work"]

    def test_an_owner(self) -> None:
        assert retirement.in_owners([{"owner": "Product SoR"}, {"owner": "the Redis cache"}]) == ["the Redis cache"]

    def test_a_fault_of_an_exception(self) -> None:
        good = {"what": "rq", "owner": "o", "reason": "r", "expiry": "2026-02-01", "removal issue": "#1"}
        today = date(2026, 1, 31)
        assert retirement.exception_faults([good], today) == []
        assert retirement.exception_faults([good | {"owner": ""}], today) == ["rq: owner is empty"]
        assert retirement.exception_faults([good | {"expiry": "2026-01-30"}], today) == ["rq: expired on 2026-01-30"]
        assert retirement.exception_faults([good | {"expiry": "soon"}], today) == ["rq: 'soon' is no date"]
