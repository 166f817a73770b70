#!/usr/bin/env bash
# Every test. As root the services are installed and started first; without root what is missing is skipped and listed.
# SLIPWAY_REQUIRE_SERVICES=1 turns a missing service into a failure. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then
    tests/services/install.sh
fi
scripts/bootstrap.sh dev
scripts/node_tools.sh
. scripts/tools.sh
# Tests mostly wait for what they started, so two run at a time, each on a Slurm of its own; one that is here serves one.
workers=2
if sinfo >/dev/null 2>&1; then
    workers=1
elif [ "$(id -u)" = 0 ]; then
    export SLIPWAY_TEST_SLURMS=/var/tmp/slipway-slurm
    slurm() { SLIPWAY_SLURM_DIR=$SLIPWAY_TEST_SLURMS/gw$1 SLIPWAY_SLURM_PORT=$((16817 + 1000 * $1)) tests/services/slurm.sh "$2"; }
    each_slurm() { for number in $(seq 0 $((workers - 1))); do slurm "$number" "$1"; done; }
    trap 'each_slurm stop' EXIT
    each_slurm start
fi
pnpm -r run test
pytest -n "$workers" --dist loadscope --no-loadscope-reorder "$@"
