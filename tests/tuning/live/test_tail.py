"""A LOG is read on over everything that happens to it."""

import os
from pathlib import Path

import pytest

from tuning.engine.live import tail
from tuning.engine.live.tail import Tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "LOG"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def rolled(path: Path, moment: int) -> None:
    path.rename(path.with_name(f"LOG.old.{moment}"))


def test_a_file_that_appears_later_is_read_from_its_beginning(path: Path) -> None:
    followed = Tail(path)
    assert (followed.lines(), followed.is_open) == ([], False)
    append(path, "one\ntwo\n")
    assert followed.lines() == ["one", "two"]
    assert followed.lines() == []


def test_a_line_without_its_end_waits_for_it(path: Path) -> None:
    append(path, "one\ntw")
    followed = Tail(path)
    assert followed.lines() == ["one"]
    append(path, "o\n")
    assert followed.lines() == ["two"]


def test_what_was_written_before_a_rotation_is_not_lost(path: Path) -> None:
    append(path, "one\n")
    followed = Tail(path)
    followed.lines()
    append(path, "two\n")
    rolled(path, 1)
    append(path, "three\n")
    assert followed.lines() == ["two", "three"]


def test_several_rotations_between_two_looks_lose_nothing(path: Path) -> None:
    append(path, "one\n")
    followed = Tail(path)
    followed.lines()
    for number, word in enumerate(["two", "three", "four"]):
        append(path, f"{word}\n")
        rolled(path, 1_000_000 + number)
    append(path, "five\n")
    assert followed.lines() == ["two", "three", "four", "five"]


def test_a_file_cut_off_in_its_place_is_read_again(path: Path) -> None:
    append(path, "one\ntwo\n")
    followed = Tail(path)
    followed.lines()
    os.truncate(path, 0)
    append(path, "new\n")
    assert followed.lines() == ["new"]


def test_a_file_that_is_away_for_a_while_is_waited_for(path: Path) -> None:
    append(path, "one\n")
    followed = Tail(path)
    followed.lines()
    rolled(path, 1)
    assert followed.lines() == []
    append(path, "two\n")
    assert followed.lines() == ["two"]


def test_a_long_past_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_BEFORE", 10)
    append(path, "".join(f"line {n}\n" for n in range(100)))
    assert Tail(path).lines() == ["line 99"]


def test_what_is_read_at_once_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_AT_ONCE", 12)
    append(path, "one\ntwo\nthree\nfour\n")
    followed = Tail(path)
    assert followed.lines() == ["one", "two"]
    assert followed.lines() == ["three", "four"]
