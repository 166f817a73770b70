#!/usr/bin/env bash
# The drift checks, each independent of the others: all run, all report.
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh dev && scripts/node_tools.sh || exit 2
. scripts/tools.sh
failed=0
echo '== OpenAPI against the code'
PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py --check || failed=1
echo '== API client against OpenAPI'
if pnpm -C packages/api-client run generate && git diff --exit-code -- packages/api-client/src/generated/schema.ts; then
    echo 'the client is the one that openapi.json generates'
else
    echo 'drift: commit the regenerated packages/api-client/src/generated/schema.ts' >&2
    failed=1
fi
echo '== Convex: generated code against the functions'
pnpm -C convex run --silent drift || failed=1
exit $failed
