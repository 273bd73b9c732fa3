#!/usr/bin/env bash
# Resolve the short lists into pinned and hashed ones. Needs `uv`.
set -euo pipefail
cd "$(dirname "$0")/.."
for list in requirements requirements-dev; do
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@" \
        --output-file "$list.txt" "$list.in"
done
