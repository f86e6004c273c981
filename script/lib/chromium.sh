# Sourced by script/test: a browser for the tests marked `browser`, which are skipped without one.

has_chromium() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

wants_browser() { # PYTEST OPTIONS: whether browser tests are among those asked for
    local word
    for word in "$@"; do
        case $word in
        *browser*) return 0 ;;
        tests/* | */tests/* | *.py) return 1 ;;
        esac
    done
    return 0
}

install_chromium() { # root on a Debian can; a failure is no reason not to run the other tests
    if has_chromium || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 0; fi
    say "Installing chromium for the browser tests."
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk; } \
        >/dev/null 2>&1; then
        say "chromium could not be installed; the browser tests will be skipped."
    fi
}
