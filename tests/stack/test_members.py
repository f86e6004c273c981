import signal

import pytest

from portal.env import Env, SettingError
from portal.stack import members
from portal.stack.members import Bind


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("0.0.0.0:80", "http://127.0.0.1:80/"),
        ("[::1]:8000", "http://[::1]:8000/"),
        ("portal.example.org:443", "http://portal.example.org:443/"),
    ],
)
def test_an_address_is_read_and_shown(text: str, url: str) -> None:
    assert Bind.parse(text).url == url


@pytest.mark.parametrize("text", ["8000", "localhost", ":8000", "host:eighty", "host:70000"])
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="is not HOST:PORT"):
        Bind.parse(text)


def test_every_queue_has_a_worker_of_its_own() -> None:
    names = {member.name for member in members.behind_the_web(Env({}))}

    assert {f"worker-{queue}" for queue in members.QUEUES} | {"beat"} <= names


def test_every_member_is_asked_before_it_is_killed() -> None:
    table = members.behind_the_web(Env({}))

    assert all(member.stops[0][0] is signal.SIGTERM for member in table)


def test_what_ends_by_itself_is_killed_late_and_work_in_progress_soon() -> None:
    patience_s = {
        member.name: sum(seconds for _how, seconds in member.stops)
        for member in members.behind_the_web(Env({}))
    }

    assert {patience_s[name] for name in ("beat", "recorder", "watcher")} == {30}
    assert patience_s["worker-train"] == 15


def test_a_wrong_log_level_stops_the_start() -> None:
    with pytest.raises(SettingError, match="MILLWRIGHT_LOG_LEVEL"):
        members.behind_the_web(Env({"MILLWRIGHT_LOG_LEVEL": "LOUD"}))
