#!/usr/bin/env bash
# Lint, types and layers of both languages, and the workflows. All of them run; the exit code tells whether any fell short.
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh dev && scripts/node_tools.sh || exit 2
. scripts/tools.sh
failed=0
run() { printf '\n== %s\n' "$*"; "$@" || failed=1; }
run ruff check .
run ruff format --check .
run mypy packages/contracts/src packages/client/src apps/api/src apps/node/src tools benchmarks
run lint-imports
run pnpm -r run check
run pnpm run --silent workflows
exit $failed
