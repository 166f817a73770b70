#!/usr/bin/env bash
# Installs the Debian packages the tests' services come from; does nothing where they are there. Needs root.
set -euo pipefail
missing=()
command -v sbatch >/dev/null && command -v munged >/dev/null || missing+=(slurm-wlm munge)
# The core packages alone have the programs, and nothing that starts a server.
command -v slurmdbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v my_print_defaults >/dev/null ||
    missing+=(slurmdbd mariadb-server-core mariadb-client-core)
command -v pw.x >/dev/null || missing+=(quantum-espresso quantum-espresso-data)
[ -e /usr/share/espresso/pseudo/Si.pz-vbc.UPF ] || missing+=(quantum-espresso-data)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v jq >/dev/null || missing+=(jq)
command -v sqlite3 >/dev/null || missing+=(sqlite3)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
[ ${#missing[@]} = 0 ] && exit 0
echo "slipway: installing ${missing[*]}" >&2
apt-get update -qq >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
