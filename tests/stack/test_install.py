"""What script/lib/install.sh does when interrupted; the installers are stand-ins that wait."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
#: Installers as patient as those of a slow network.
PIP = """
import time
try:
    time.sleep(62)
except KeyboardInterrupt:  # pip says that it was cancelled and fails like any other time
    raise SystemExit(1)
"""
SCRIPT = """
. "$1/script/lib/install.sh"
TORCH='torch==0.0.0'
make_venv() { :; }
install_torch() { exec sleep 61; }
install_uv() { :; }
install_locked() { touch "$VENV/waits"; "$PYTHON" -c "$PIP"; }
fill_venv runtime
"""


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_ends_at_once_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environ = os.environ | {"MILLWRIGHT_VENV": str(tmp_path), "ROOT": str(ROOT), "PIP": PIP}
    installer = subprocess.Popen(  # noqa: S603 - our own words
        ["/usr/bin/env", "bash", "-ec", SCRIPT, "installer", str(ROOT)],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for((tmp_path / "waits").exists, 20)
    started = psutil.Process(installer.pid).children(recursive=True)
    os.killpg(installer.pid, number)

    _output, said = installer.communicate(timeout=10)

    assert installer.returncode == 130
    assert "Interrupted; the next start begins the installation anew." in said
    assert "could not be installed" not in said
    psutil.wait_procs(started, timeout=5)
    assert [child for child in started if child.is_running()] == []


SETTINGS = """
[global]
index-url = https://packages.example/simple
extra-index-url = file:///srv/simple https://more.example/simple
find-links = /srv/wheels
trusted-host = packages.example
"""


@pytest.mark.parametrize(
    ("option", "sources"),
    [
        ("", {"/srv/wheels", "file:///srv/simple", "https://more.example/simple"}),
        ("--shared", {"https://more.example/simple"}),
    ],
)
def test_a_lock_is_made_without_the_folders_of_this_machine(
    tmp_path: Path, option: str, sources: set[str]
) -> None:
    """Else it holds the hashes of the wheels of one Python only."""
    (tmp_path / "pip.conf").write_text(SETTINGS)
    environ = {name: word for name, word in os.environ.items() if not name.startswith("PIP_")}
    words = [sys.executable, str(ROOT / "script" / "lib" / "pip_settings.py"), option]
    said = subprocess.run(  # noqa: S603 - our own words
        [word for word in words if word],
        env=environ | {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    always = {"https://packages.example/simple", "packages.example"}
    assert {word for word in said if word and not word.startswith("--")} >= always | sources
    assert option != "--shared" or not any("/srv" in word for word in said)
