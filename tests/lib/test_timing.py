"""Only one thing is timed on a machine, and who waits can be called off."""

from pathlib import Path

import pytest

from portal.lib import timing


class CalledOff(Exception):
    pass


def test_who_waits_for_the_lock_can_be_called_off(tmp_path: Path) -> None:
    def call_off() -> None:
        raise CalledOff

    first, second = timing.alone(tmp_path, call_off), timing.alone(tmp_path, call_off)
    with first, pytest.raises(CalledOff), second:
        pytest.fail("two held the lock at once")
    with timing.alone(tmp_path, call_off):
        assert (tmp_path / "timing.lock").is_file()
