"""Examples of the gate `retirement`, which are judged as of TODAY."""

from datetime import date

from rule_examples import Example, Examples, appended, replaced, together, written

TODAY = date(2026, 1, 31)
BOUNDARY = "docs/contracts/redis-rq-retirement-boundary.md"
SUBMIT = "docs/contracts/submit-job-command.md"
WORKFLOW = ".github/workflows/ci.yml"
GATEWAY = "apps/api/src/slipway_gateway"


def excused(what: str, owner: str = "ops", reason: str = "old", expiry: str = "2026-01-31", issue: str = "#7"):
    """Return the change that writes an exception down."""
    return appended(BOUNDARY, f"| {what} | {owner} | {reason} | {expiry} | {issue} |\n")


def locked(name: str):
    """Return the change that has uv.lock resolve a package."""
    return appended("uv.lock", f'\n[[package]]\nname = "{name}"\nversion = "1"\n')


NEW_PACKAGE = replaced("pyproject.toml", "root_packages = [", 'root_packages = ["slipway", ')

EXAMPLES: Examples = {
    "retired-in-lock-files": Example(
        together(
            locked("redis"),
            excused("`uv.lock: redis`"),
            locked("sharq"),
            locked("redistribute"),
            written("block/redis.md", "no redis\n"),
            written("apps/web/async-lock.ts", "export const note = 'no redis'\n"),
            written("packages/x/package.json", '{"description": "no redis", "dependencies": {"quasar": "1"}}\n'),
            written("samples/a.py", "# /// script\n# dependencies = ['httpx']\n# ///\nWHY = 'no redis'\n"),
        ),
        {
            "resolves `redis`": locked("redis"),
            "name `uv.lock: celery-types` among the exceptions": locked("celery-types"),
            "resolves `hiredis`": together(locked("redis"), excused("`uv.lock: redis`"), locked("hiredis")),
            "resolves `django-rq`": written("poetry.lock", '[[package]]\nname = "django-rq"\n'),
            "resolves `arq`": written("apps/x/requirements-dev.txt", "httpx>=1\narq[watch]==0.26 # soon\n"),
            "resolves `@redis/client`": appended("pnpm-lock.yaml", "  '@redis/client@5.0.0(x@1.0.0)': {}\n"),
            "resolves `ioredis`": written(
                "package-lock.json", '{"packages": {"": {}, "node_modules/a/node_modules/ioredis": {"version": "5"}}}\n'
            ),
            "resolves `bull`": written("package-lock.json", '{"packages": {"node_modules/q": {"name": "bull"}}}\n'),
            "resolves `bullmq`": written(
                "package-lock.json", '{"dependencies": {"a": {"dependencies": {"bullmq": {"version": "5"}}}}}\n'
            ),
            "resolves `bee-queue`": written(
                "yarn.lock", '# yarn lockfile v1\n\nbee-queue@^1, "bee-queue@^1.4":\n  version "1"\n'
            ),
            "resolves `redis-om`": written("yarn.lock", '"cache@npm:redis-om@^4":\n  version: 4\n'),
            "resolves `redisvl`": written("Pipfile.lock", '{"_meta": {}, "develop": {"redisvl": {}}}\n'),
            "resolves `keydb`": written("requirements/dev.txt", "keydb\n"),
            "resolves `fakeredis`": written("dev-requirements.txt", "fakeredis[lua]\n"),
            "resolves `kombu[redis]`": written("requirements.in", "kombu[redis]>=5\n"),
            "resolves `git+https://example.org/redis-py.git`": written(
                "requirements.txt", "-e git+https://example.org/redis-py.git\n"
            ),
            "bun.lock: @redis/json": written(
                "bun.lock", '{\n  "packages": {\n    "j": ["@redis/json@1.0.0", "", {}],\n  },\n}\n'
            ),
            "conda-lock.yml: redis-py": written("conda-lock.yml", "package:\n- name: redis-py\n  version: '5'\n"),
            "pixi.lock: redis": written("pixi.lock", "packages:\n- conda: https://example.org/redis-7.2-h1.conda\n"),
            "samples/a.py.lock: redis": written("samples/a.py.lock", '[[package]]\nname = "redis"\n'),
            "name `pyproject.toml: celery` among": replaced(
                "pyproject.toml", "[tool.", '[dependency-groups]\ndev = ["celery>=5"]\n\n[tool.'
            ),
            "packages/x/pyproject.toml: rq": written(
                "packages/x/pyproject.toml", '[project.optional-dependencies]\nqueue = ["rq>=1"]\n'
            ),
            "packages/x/pyproject.toml: arq": written(
                "packages/x/pyproject.toml", '[tool.poetry.group.dev.dependencies]\n"arq" = "^0.26"\n'
            ),
            "packages/x/setup.cfg: redis": written(
                "packages/x/setup.cfg", "[options]\ninstall_requires =\n    redis>=5\n"
            ),
            "packages/x/Pipfile: celery": written("packages/x/Pipfile", '[dev-packages]\ncelery = "*"\n'),
            "packages/x/pixi.toml: dramatiq": written("packages/x/pixi.toml", '[dependencies]\n"dramatiq" = "*"\n'),
            "environment.yml: redis": written("environment.yml", "dependencies:\n  - python=3.11\n  - redis=7\n"),
            "packages/x/package.json: ioredis": written(
                "packages/x/package.json", '{"devDependencies": {"ioredis": "^5"}}\n'
            ),
            "packages/x/package.json: npm:bullmq@5": written(
                "packages/x/package.json", '{"dependencies": {"queue": "npm:bullmq@5"}}\n'
            ),
            "pnpm-workspace.yaml: redis": written("pnpm-workspace.yaml", "catalog:\n  redis: ^5\n"),
            "samples/a.py: redis": written(
                "samples/a.py", '#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   "redis>=5",\n# ]\n# ///\n'
            ),
        },
    ),
    "retired-in-imports": Example(
        together(
            written(f"{GATEWAY}/a.py", "# import redis\nfrom .rq import x\nimport requests\ny = 'import redis'\n"),
            written(
                "apps/web/a.ts",
                "// import 'redis'\n/* require('bull') */ import x from './redis'\nconst y = 'from \"rq\"'\n",
            ),
        ),
        {
            f"name `{GATEWAY}/a.py: redis.asyncio` among": written(
                f"{GATEWAY}/a.py", "import redis.asyncio as store\n"
            ),
            "it imports `rq`": written(f"{GATEWAY}/a.py", "from rq import Queue\n"),
            "it imports `celery.app`": written("samples/a.py", "def late():\n    from celery.app import task\n"),
            "it imports `arq.worker`": written(
                "tests/a.py", "import importlib\nimportlib.import_module('arq.worker')\n"
            ),
            "a.py: redis.client": written("tests/a.py", "importlib.import_module(name='redis.client')\n"),
            "a.py: rq": written("tests/a.py", "importlib.import_module('.job', package='rq')\n"),
            "a.py: aioredis": written(
                "tests/a.py", "from importlib import import_module as im\n\nstore = im('aioredis')\n"
            ),
            "a.py: arq": written("tests/a.py", "load = importlib.import_module\nload('arq')\n"),
            "apps/web/b.ts: redis": written(
                "apps/web/b.ts", "const tick = /`/\nconst c = await import('redis') // `\n"
            ),
            "apps/web/c.ts: redis": written("apps/web/c.ts", "f(a / 2, /[/`]'/g)\nimport('redis') // ' / `\n"),
            "apps/web/d.ts: redis": written("apps/web/d.ts", "const c = `${await import('redis')}`\n"),
            "apps/web/e.ts: rq": written("apps/web/e.ts", "if (a) /`/.test(b)\nimport('rq') // `\n"),
            "it imports `dramatiq`": written(f"{GATEWAY}/a.py", "__import__('dramatiq')\n"),
            "it imports `redis`": written("apps/web/a.ts", 'import {\n  createClient,\n} from "redis";\n'),
            "it imports `ioredis`": written("apps/web/a.tsx", "import 'ioredis'\n"),
            "it imports `bull`": written("convex/a.cjs", 'const q = require("bull")\n'),
            "it imports `@redis/client`": written("convex/a.mjs", "const c = await import('@redis/client')\n"),
        },
    ),
    "retired-in-settings": Example(
        together(
            written(f"{GATEWAY}/a.py", '"""No REDIS_URL here."""\n\nparquet_path = 1\nREQUIRE = "REQUIRE_SERVICES"\n'),
            written(f"{GATEWAY}/tests/test_a.py", "def test_it_is_refused():\n    assert refused('REDIS_URL')\n"),
            written("settings.toml", 'what = "Redis/RQ: it is gone"\n'),
            written("apps/web/a.ts", "// REDIS_URL\nconst marquee = 1\n"),
            written("deploy/a.env", "# redis://old\nIMAGE=example/marquee:1\n"),
        ),
        {
            "it has a setting `redis_url`": written(f"{GATEWAY}/a.py", "class Settings:\n    redis_url: str\n"),
            "it has a setting `rq_queue`": written(f"{GATEWAY}/a.py", "def connect(rq_queue): ...\n"),
            "it has a setting `arq_workers`": written(f"{GATEWAY}/a.py", "Settings(arq_workers=2)\n"),
            "it has a setting `redis_pool`": written(f"{GATEWAY}/a.py", "self.redis_pool = None\n"),
            "it has a setting `SLIPWAY_CELERY_BROKER`": written(
                f"{GATEWAY}/a.py", "import os\n\nos.environ['SLIPWAY_CELERY_BROKER']\n"
            ),
            "it has a setting `REDIS`": written(f"{GATEWAY}/a.py", "import os\n\nos.environ['REDIS']\n"),
            "it has a setting `REDIS_URL`": written("apps/web/a.ts", "const url = process.env.REDIS_URL\n"),
            "it has a setting `VITE_REDIS_URL`": written("apps/web/a.ts", "const url = env['VITE_REDIS_URL']\n"),
            "it has a setting `redisUrl`": written("apps/web/a.ts", "interface Settings {\n  redisUrl?: string\n}\n"),
            "it has a setting `CELERY_BROKER_URL`": appended(
                WORKFLOW, "    env:\n      CELERY_BROKER_URL: amqp://broker\n"
            ),
            "it has a setting `redis_host`": written("settings.toml", 'redis_host = "h"\n'),
            "a.py: redis://": written(f"{GATEWAY}/a.py", "BROKER_URL = 'redis://:secret@h/0'\n"),
            "a.py: rediss://": written(f"{GATEWAY}/a.py", "def f(h):\n    return f'rediss://{h}'\n"),
            "a.ts: redis://": written("apps/web/a.ts", "const broker = `redis://${host}`\n"),
            "deploy/a.json: redis://": written("deploy/a.json", '{"broker": "redis://h"}\n'),
            "deploy/a.yaml: redis+socket://": written("deploy/a.yaml", "broker: redis+socket://h\n"),
            ".env: redislabs/redismod:2": written(".env", "CACHE_IMAGE=redislabs/redismod:2\n"),
            "it has a setting `RQ_QUEUE`": written("deploy/prod.env", "RQ_QUEUE=jobs\n"),
        },
    ),
    "retired-in-compose-files": Example(
        appended("compose.yaml", "  marquee:\n    image: example/marquee:1\n    labels: ['no redis']\n"),
        {
            "its service or image `redis` is a retired thing": appended("compose.yaml", "  redis:\n    build: .\n"),
            "its service or image `cache` is a retired thing": appended(
                "compose.yaml", "  cache:\n    image: valkey/valkey:8\n"
            ),
            "its service or image `work` is a retired thing": written(
                "deploy/docker-compose.dev.yml", "services:\n  work:\n    command: rq worker\n"
            ),
            "its service or image `cached` is": appended("compose.yaml", "  cached:\n    image: redislabs/redismod\n"),
            "its service or image `redis:7` is": written(
                "deploy/app.yml", "spec:\n  template:\n    spec:\n      containers:\n      - image: redis:7\n"
            ),
            "deploy/transaction.yml: redis:6": written("deploy/transaction.yml", "image: redis:6\n"),
            "compose/app.yml: redis:5": written("compose/app.yml", "containers:\n- image: redis:5\n"),
            "its service or image `bitnami/redis` is": written(
                "deploy/values.yaml", "cache:\n  image:\n    repository: 'bitnami/redis'\n{{- end }}\n"
            ),
        },
    ),
    "retired-in-workflows": Example(
        together(
            appended(WORKFLOW, "      - name: Redis is gone\n        run: echo marquee # and no redis-server\n"),
            written("scripts/a.sh", "# redis is not started\necho parquet\n"),
        ),
        {
            "it runs or installs `store`": replaced(WORKFLOW, "postgres:18", "redis:7"),
            "it runs or installs `redis-server`": appended(WORKFLOW, "      - run: apt-get install -y redis-server\n"),
            "it runs or installs `supercharge/redis-github-action@1`": appended(
                WORKFLOW, "      - uses: supercharge/redis-github-action@1\n"
            ),
            "ci.yml: redis:6": appended(WORKFLOW, "  other:\n    container: redis:6\n    steps: []\n"),
            "ci.yml: redis:5": appended(WORKFLOW, "  other:\n    container:\n      image: redis:5\n    steps: []\n"),
            "ci.yml: redis:4": appended(WORKFLOW, "      - uses: a/run@1\n        with:\n          image: redis:4\n"),
            "ci.yml: redis:3": appended(
                WORKFLOW, "  other:\n    strategy:\n      matrix:\n        image: ['redis:3']\n"
            ),
            ".github/actions/up/action.yml: redis-server": written(
                ".github/actions/up/action.yml", "runs:\n  using: composite\n  steps:\n  - run: redis-server &\n"
            ),
            ".github/actions/up/action.yaml: docker://redis:7": written(
                ".github/actions/up/action.yaml", "runs:\n  using: docker\n  image: docker://redis:7\n"
            ),
            "it runs or installs `rq`": written("scripts/a.sh", "rq worker jobs &\n"),
            "it runs or installs `redis:7`": written("Dockerfile", "FROM redis:7\n"),
        },
    ),
    "retired-as-owner": Example(
        together(
            replaced(SUBMIT, "Repeating is safe.", "See the [Redis/RQ boundary](redis-rq-retirement-boundary.md)."),
            written("docs/a.md", "# A\n\n| fact | owner instead |\n| --- | --- |\n| the Redis lock | nobody |\n"),
            appended("docs/adr/0004-runtime-contract-boundary.md", "\nNo Redis: a second place.\n"),
            appended("README.md", "\n| what | never |\n| --- | --- |\n| the gateway | Redis or RQ |\n"),
        ),
        {
            "it presents `the Redis cache` as": written(
                "docs/a.md", "# A\n\n| what | owner |\n| --- | --- |\n| locks | the Redis cache |\n"
            ),
            "it presents `submission record, cached in redis` as": replaced(
                SUBMIT,
                "| `labels` | Product SoR | product | submission record |",
                "| `labels` | Product SoR | product | submission record, cached in redis |",
            ),
            "it presents `Celery` as": replaced(
                "docs/contracts/sor-map.toml", 'owner = "Product SoR"', 'owner = "Celery"'
            ),
            "it presents `RQ jobs` as": written("docs/contracts/stores.toml", 'keep = ["submissions", "RQ jobs"]\n'),
            "it presents `RQ` as": replaced(SUBMIT, "Repeating is safe.", "RQ repeats it."),
            "it presents `redis` as": written("docs/how-to/gateway.md", "# Gateway\n\n```\ndocker run redis\n```\n"),
            "it presents `Redis` as": appended("README.md", "\n| part | runs on |\n| --- | --- |\n| locks | Redis |\n"),
        },
    ),
    "retirement-exceptions": Example(
        together(locked("redis"), excused("`uv.lock: redis`", expiry="2026-01-31", issue="https://example.org/7")),
        {
            "it has expired on 2026-01-30": excused("`uv.lock: redis`", expiry="2026-01-30"),
            "'soon' is no date, as in 2026-01-31": excused("`uv.lock: redis`", expiry="soon"),
            "owner is empty": excused("`uv.lock: redis`", owner=""),
            "reason is empty": excused("`uv.lock: redis`", reason=""),
            "removal issue is empty": excused("`uv.lock: redis`", issue=""),
            "'later' is no issue, as in #12": excused("`uv.lock: redis`", issue="later"),
            "what is to be a file and a name": excused("redis"),
            "exception of nothing: what is empty": excused(""),
            "it names nothing that is there: take it out": excused("`uv.lock: redis`"),
            "one table is due under Exceptions": replaced(BOUNDARY, "| what | owner |", "| thing | owner |"),
        },
    ),
    "retired-forbidden": Example(
        together(
            NEW_PACKAGE,
            replaced("pyproject.toml", "source_modules = [", 'source_modules = ["slipway", '),
        ),
        {
            "forbids slipway to import arq, celery, dramatiq, redis, rq": NEW_PACKAGE,
            "forbids slipway_contracts to import arq": replaced("pyproject.toml", '"redis", "rq", ', ""),
            "no packages": replaced("pyproject.toml", "root_packages", "roots"),
        },
    ),
}
