#!/usr/bin/env bash
# Makes ./.venv from uv.lock, and installs uv into ./.tools when there is none. Needs no root.
# usage: scripts/bootstrap.sh demo|dev     demo: what a run needs; dev: the checks and tests too
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'slipway: %s\n' "$*" >&2; }

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "needs Python 3.11 or newer as python3 (Debian 12, Ubuntu 24.04 and later have it)"
    exit 2
fi

# shellcheck source=scripts/tools.sh
. scripts/tools.sh
if ! command -v uv >/dev/null; then
    say "installing uv into .tools"
    if "$python" -m venv .tools/uv >/dev/null 2>&1; then
        .tools/uv/bin/pip install --quiet --disable-pip-version-check uv 2> >(grep -v '^WARNING' >&2)
    elif "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf .tools/uv
        "$python" -m pip install --quiet --disable-pip-version-check --target .tools/uv uv 2> >(grep -v '^WARNING' >&2)
    else
        rm -rf .tools/uv
        say "needs pip once, to install uv: apt-get install python3-venv (or put uv on PATH)"
        exit 2
    fi
fi

export UV_PYTHON_DOWNLOADS=never
case "${1:-dev}" in
    demo) groups=(--inexact --no-default-groups --group samples) ;;
    dev)
        groups=()
        export UV_COMPILE_BYTECODE=1 # once here, not in each of the hundreds of processes that tests start
        ;;
    *) say "usage: scripts/bootstrap.sh demo|dev"; exit 2 ;;
esac
[ -d .venv ] || say "installing Slipway and AiiDA into .venv (a minute or two)"
uv sync --quiet --frozen --python "$python" "${groups[@]}"
