# Sourced: puts the project's own tools on PATH, before the machine's.
tools_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$tools_root/.venv/bin:$tools_root/.tools/uv/bin:$tools_root/.tools/node/node_modules/.bin:$PATH"
