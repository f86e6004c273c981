#!/usr/bin/env bash
# Makes the environment of the products we compare with; prints its interpreter. FOLDER is var/benchmarks.
#
#   benchmarks/setup.sh [FOLDER]
set -euo pipefail

ROOT=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
FOLDER=${1:-$ROOT/var/benchmarks}
PYTHON=$ROOT/.venv/bin/python

mkdir -p -- "$FOLDER"
[ -x "$FOLDER/venv/bin/python" ] || "$PYTHON" -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$ROOT/benchmarks/requirements.txt" >&2
printf '%s\n' "$FOLDER/venv/bin/python"
