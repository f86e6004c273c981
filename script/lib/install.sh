# Sourced by the other scripts: `install_packages runtime|dev` makes the virtual environment and fills it
# from the lock. Expects ROOT. Does nothing, and needs no network, when the lock has not changed.
#
# The first to come holds a lock; an interrupted install leaves its mark and is begun anew.

TORCH='torch==2.13.0'
VENV=${MILLWRIGHT_VENV:-$ROOT/.venv}
PYTHON=$VENV/bin/python

# Settings of the caller's shell that would lead the interpreter or pip astray.
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_HASHES
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

suits() { # PROGRAM: whether it is a Python that the product runs on
    "$1" -c '
import sys
sys.exit(not ((3, 11) <= sys.version_info < (3, 13) and sys.maxsize > 2**32))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${MILLWRIGHT_PYTHON:+"$MILLWRIGHT_PYTHON"} python3 python3.12 python3.11 python; do
        if command -v -- "$candidate" >/dev/null && suits "$candidate"; then
            command -v -- "$candidate"
            return
        fi
    done
    fail "Python 3.11 or 3.12 is needed (64 bits) and none was found on PATH.
Install it (Debian and Ubuntu: apt install python3 python3-venv), or name one in MILLWRIGHT_PYTHON."
}

make_venv() {
    local python
    python=$(find_python)
    if "$python" -m venv --clear -- "$VENV" >/dev/null 2>&1; then
        return
    fi
    # Debian keeps ensurepip in a package of its own; a pip of the system can fill the gap.
    "$python" -m venv --clear --without-pip -- "$VENV" >/dev/null 2>&1 &&
        "$python" -m pip --python "$PYTHON" install --quiet pip >/dev/null 2>&1 ||
        fail "Cannot make a virtual environment in $VENV with $python.
Check that the folder is writable; on Debian and Ubuntu, apt install python3-venv."
}

uv_with_pip_settings() { # runs uv with the package sources that pip is set to use, SOURCES=--shared: but folders
    local -a words=()
    mapfile -d '' -t words < <("$PYTHON" "$ROOT/script/lib/pip_settings.py" ${SOURCES:+"$SOURCES"})
    # With every version and hash fixed it is safe, and needed, to look for them in all sources.
    env UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_INDEX_STRATEGY=unsafe-best-match \
        ${UV_CACHE:+"UV_CACHE_DIR=$UV_CACHE"} "$VENV/bin/uv" "$@" ${words[@]+"${words[@]}"}
}

choose_caches() { # a home directory may be absent or read-only
    UV_CACHE=
    if [ -n "${UV_CACHE_DIR:-}${XDG_CACHE_HOME:-}" ]; then return; fi
    if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ] || [ ! -w "$HOME" ]; then
        UV_CACHE=$VENV/cache
        export PIP_NO_CACHE_DIR=1
    fi
}

install_uv() { # the version and hashes of the lock
    local lock=$VENV/uv-lock.txt
    awk '/^[^ ]/ { ours = /^uv==/ } ours' "$ROOT/requirements.txt" >"$lock"
    "$PYTHON" -m pip install --quiet --no-deps --require-hashes -r "$lock"
}

install_torch() { # in the background; exec, so that whoever interrupts it reaches pip
    exec "$PYTHON" -m pip install --quiet --no-deps --no-compile "$TORCH"
}

install_locked() { # LOCK: by uv, else by pip
    if [ -x "$VENV/bin/uv" ] && uv_with_pip_settings pip install --quiet --python "$PYTHON" \
        --no-deps --require-hashes -r "$1"; then
        return
    fi
    say "uv could not install $(basename -- "$1"); trying pip, which takes longer."
    "$PYTHON" -m pip install --quiet --no-deps --require-hashes --no-compile -r "$1"
}

check_torch() { # a build with accelerators does not load without its own dependencies
    if ! "$PYTHON" -c 'import torch' >/dev/null 2>&1; then
        say "This build of torch needs more packages; installing them."
        "$PYTHON" -m pip install --quiet --no-compile --constraint "$VENV/constraints.txt" "$TORCH"
    fi
}

constraints() { # the versions of the lock, without hashes
    awk '/^[^ #]/ { sub(/ *\\$/, ""); print }' "$ROOT/requirements.txt" >"$VENV/constraints.txt"
}

digest() { # what an install depends on
    cat -- "$ROOT/requirements.txt" ${1:+"$ROOT/$1"} | cat - <(printf '%s' "$TORCH") | sha256sum | cut -c1-64
}

is_installed() { # STAMP DIGEST
    [ ! -e "$VENV/installing" ] && [ -e "$1" ] && [ "$(cat -- "$1")" = "$2" ] && suits "$PYTHON"
}

interrupted() { # pip and uv end on Ctrl-C like any failure, and what is in the background not at all
    trap - INT TERM
    if [ -n "$torch_id" ]; then kill "$torch_id" 2>/dev/null || :; fi
    say "Interrupted; the next start begins the installation anew."
    exit 130
}

fill_venv() { # KIND
    local torch_id='' failed=0
    trap interrupted INT TERM
    if [ -e "$VENV/installing" ] || ! suits "$PYTHON" || ! "$PYTHON" -m pip --version >/dev/null 2>&1; then
        say "Making the virtual environment in $VENV."
        make_venv
    fi
    touch -- "$VENV/installing"
    choose_caches
    say "Installing packages; only the first start does this."
    if ! "$PYTHON" -c 'import importlib.metadata as m, sys
sys.exit(m.version("torch").partition("+")[0] != sys.argv[1])' "${TORCH#*==}" 2>/dev/null; then
        install_torch &
        torch_id=$!
    fi
    [ -x "$VENV/bin/uv" ] || install_uv || say "uv could not be installed."
    install_locked "$ROOT/requirements.txt" || failed=1
    if [ -n "$torch_id" ]; then
        wait "$torch_id" || fail "pip could not install $TORCH: the message above says why."
        constraints
        check_torch
    fi
    [ "$failed" = 0 ] || fail "The packages could not be installed: the message above says why."
    if [ "$1" = dev ]; then
        install_locked "$ROOT/requirements-dev.txt" ||
            fail "The development packages could not be installed: the message above says why."
    fi
}

install_packages() { # KIND: runtime or dev
    local runtime dev
    runtime=$(digest)
    dev=$(digest requirements-dev.txt)
    if [ "$1" = runtime ] && is_installed "$VENV/runtime.stamp" "$runtime"; then return; fi
    if [ "$1" = dev ] && is_installed "$VENV/dev.stamp" "$dev"; then return; fi
    (
        if command -v flock >/dev/null; then flock 9; fi
        if { [ "$1" = runtime ] && is_installed "$VENV/runtime.stamp" "$runtime"; } ||
            { [ "$1" = dev ] && is_installed "$VENV/dev.stamp" "$dev"; }; then
            exit 0
        fi
        rm -f -- "$VENV/runtime.stamp" "$VENV/dev.stamp"
        fill_venv "$1"
        printf '%s\n' "$runtime" >"$VENV/runtime.stamp"
        if [ "$1" = dev ]; then printf '%s\n' "$dev" >"$VENV/dev.stamp"; fi
        rm -f -- "$VENV/installing"
    ) 9<"$ROOT/requirements.txt"
}
