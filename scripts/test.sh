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
if [ "$(id -u)" = 0 ] && ! sinfo >/dev/null 2>&1; then
    trap 'tests/services/slurm.sh stop' EXIT
    tests/services/slurm.sh start
    export SLURM_CONF
    SLURM_CONF=$(tests/services/slurm.sh conf)
fi
pnpm -r run test
pytest "$@"
