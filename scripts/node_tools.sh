#!/usr/bin/env bash
# Installs pnpm into ./.tools when there is none, and the TypeScript workspace from its lock file.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
if ! command -v node >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
    else
        echo "slipway: needs Node.js 20 or newer (apt-get install nodejs npm)" >&2
        exit 2
    fi
fi
command -v pnpm >/dev/null || npm install --silent --no-save --prefix .tools/node pnpm@10 2>/dev/null
pnpm install --frozen-lockfile --silent
