#!/usr/bin/env bash
# Fails when functions/_generated is not what the functions generate. Needs no deployment and no network.
set -euo pipefail
cd "$(dirname "$0")/.."
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp -r functions/_generated "$before"
pnpm run --silent codegen
if diff -r "$before/_generated" functions/_generated; then
    echo 'functions/_generated is the one that the functions generate'
else
    echo 'drift: commit the regenerated convex/functions/_generated' >&2
    exit 1
fi
