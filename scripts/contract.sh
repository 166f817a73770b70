#!/usr/bin/env bash
# The gates that judge the tree as it is, each independent of the others: all run, all report.
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh dev && scripts/node_tools.sh || exit 2
. scripts/tools.sh
failed=0
run() { printf '\n== %s\n' "$*"; "$@" || failed=1; }
run contract-gate openapi
run contract-gate client
run pnpm -C convex run --silent drift
run contract-gate docs
run contract-gate retirement
exit $failed
