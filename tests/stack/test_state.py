import fcntl
import json
from pathlib import Path

import pytest

from portal.stack import state


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    (tmp_path / "run").mkdir()
    return tmp_path


def test_the_environment_wins_over_a_running_stack(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.state_file(home).write_text(json.dumps({"database_url": "postgresql:///embedded"}))
    monkeypatch.setenv("DATABASE_URL", "postgresql:///given")

    assert state.database_url(home) == "postgresql:///given"


def test_a_running_stack_says_where_its_servers_answer(home: Path) -> None:
    facts = {"database_url": "postgresql:///embedded", "redis_url": "unix:///r.sock?db=0"}
    state.state_file(home).write_text(json.dumps(facts))

    assert state.database_url(home) == facts["database_url"]
    assert state.redis_url(home) == facts["redis_url"]


def test_without_any_stack_the_urls_name_sockets_of_the_state_folder(home: Path) -> None:
    assert str(home) in state.database_url(home)
    assert state.redis_url(home).startswith("unix://")


def test_a_half_written_state_file_counts_as_none(home: Path) -> None:
    state.state_file(home).write_text("{")

    assert state.read(home) == {}


def test_advice_says_how_to_start_what_is_not_running(home: Path) -> None:
    assert "script/server" in (state.advice(home) or "")


def test_no_advice_while_a_supervisor_holds_the_folder(home: Path) -> None:
    with state.lock_file(home).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        assert state.is_running(home)
        assert state.advice(home) is None


def test_no_advice_when_both_servers_are_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql:///given")
    monkeypatch.setenv("REDIS_URL", "redis://given")

    assert state.advice(home) is None


@pytest.mark.parametrize(
    ("url", "celery"),
    [
        ("redis://:pw@host:6379/1", "redis://:pw@host:6379/1"),
        ("unix://:pw@/run/r.sock?db=3", "redis+socket://:pw@/run/r.sock?virtual_host=3"),
    ],
)
def test_celery_gets_the_same_server_in_its_own_spelling(url: str, celery: str) -> None:
    assert state.broker_url(url) == celery
