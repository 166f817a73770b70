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
base=${CONTRACT_BASE:-origin/main}
if [ -n "${CONTRACT_BASE:-}" ] || git rev-parse --verify --quiet "$base^{commit}" >/dev/null; then
    run contract-gate breaking --base "$base"
else
    printf '\n== contract-gate breaking: passed over, there is no %s here (CONTRACT_BASE names another)\n' "$base"
fi
exit $failed
