import subprocess
import sys
from pathlib import Path

import pytest

from portal import terminal
from portal.core.models import User
from portal.stack.guardian import MARK

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ko_KR"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "", "LC_MESSAGES": "en_GB"}, "en"),
        ({"LANG": "C.UTF-8"}, ""),
        ({"LANG": "de_DE.UTF-8"}, ""),
        ({}, ""),
    ],
)
def test_the_language_is_that_of_the_shell(environ: dict[str, str], language: str) -> None:
    assert terminal.language(environ) == language


def test_a_person_s_command_logs_trouble_only_in_their_language() -> None:
    environ = {"LANG": "en_US.UTF-8"}
    terminal.prepare(["manage.py", "train"], environ)
    assert environ["MILLWRIGHT_LOG_LEVEL"] == "WARNING"
    assert environ["MILLWRIGHT_LANGUAGE"] == "en"


def test_what_is_set_on_purpose_stays() -> None:
    own = {"MILLWRIGHT_LOG_LEVEL": "DEBUG", "MILLWRIGHT_LANGUAGE": "ko", "LANG": "en_US"}
    environ = dict(own)
    terminal.prepare(["manage.py", "train"], environ)
    assert environ == own


@pytest.mark.parametrize(
    ("command", "mark"),
    [("seed_demo", {MARK: "token"}), ("record_predictions", {}), ("watch_drift", {})],
)
def test_a_service_is_left_as_it_is(command: str, mark: dict[str, str]) -> None:
    environ = {"LANG": "en_US.UTF-8", **mark}
    terminal.prepare(["manage.py", command], environ)
    assert environ == {"LANG": "en_US.UTF-8", **mark}


def manage(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@pytest.mark.integration
def test_a_command_is_not_interrupted_by_the_log(child_environment: dict[str, str]) -> None:
    User.objects.create_user("kim")
    done = manage(child_environment, "create_key", "line3", "--user", "kim", "--scopes", "read")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mw_")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("locale", "word"), [("en_US.UTF-8", "cannot"), ("ko_KR.UTF-8", "없습니다")]
)
def test_a_command_speaks_the_language_of_the_shell(
    child_environment: dict[str, str], locale: str, word: str
) -> None:
    done = manage(child_environment | {"LC_ALL": locale}, "import_dataset", "/nowhere.csv")
    assert done.returncode == 1
    assert word in done.stderr
