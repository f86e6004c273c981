#!/usr/bin/env bash
# Makes the environment of the engines that search is compared with; prints its interpreter.
# FOLDER is var/benchmarks-search.
#
#   benchmarks/search/setup.sh [FOLDER]
set -euo pipefail

ROOT=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd -P)
FOLDER=${1:-$ROOT/var/benchmarks-search}
PYTHON=$ROOT/.venv/bin/python

mkdir -p -- "$FOLDER"
[ -x "$FOLDER/venv/bin/python" ] || "$PYTHON" -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$ROOT/benchmarks/search/requirements.txt" >&2
printf '%s\n' "$FOLDER/venv/bin/python"
