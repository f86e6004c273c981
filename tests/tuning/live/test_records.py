"""Records a second as log and flushes tell them, worked out by hand.

A record has 100 bytes in a write buffer and 112 in the log.
"""

from pathlib import Path

import pytest

from tuning.engine.importers.options import OptionsFile
from tuning.engine.live.activity import Activity
from tuning.engine.live.folder import Folder, Look
from tuning.engine.live.records import Records


def seen(n_flushed: int) -> Activity:
    made = Activity()
    made.n_flushed, made.flushed_input_bytes = n_flushed, 100 * n_flushed
    return made


def folder(tmp_path: Path, n_families: int = 1) -> Folder:
    made = Folder(tmp_path)
    made.options = OptionsFile("9.8.4", {}, {f"cf{n}": {} for n in range(n_families)})
    return made


def looked(wal: int, grown: int) -> Look:
    return Look(0, wal, grown, is_fresh=True)


@pytest.mark.parametrize(("n_families", "rate"), [(1, 700.0), (2, 300.0)])
def test_what_was_flushed_and_what_waits_in_the_log_were_put(
    tmp_path: Path, n_families: int, rate: float
) -> None:
    place, records = folder(tmp_path, n_families), Records()
    records.note(0.0, looked(112_000, 0), seen(1_000))
    assert records.rate(place, seen(1_000)) == ("", None)
    records.note(2.0, looked(112_000 + 112 * 400, 112 * 600), seen(2_000))
    source, found = records.rate(place, seen(2_000))
    assert (source, found) == ("wal", rate)


def test_without_a_log_flushes_tell_after_half_a_minute(tmp_path: Path) -> None:
    place, records = folder(tmp_path), Records()
    records.note(0.0, looked(0, 0), seen(0))
    records.note(20.0, looked(0, 0), seen(1_000))
    assert records.rate(place, seen(1_000)) == ("flush", None)
    records.note(40.0, looked(0, 0), seen(2_000))
    assert records.rate(place, seen(2_000)) == ("flush", 50.0)
    records.clear()
    assert records.rate(place, seen(2_000)) == ("", None)


def test_before_the_first_flush_the_bytes_of_a_record_are_not_known(tmp_path: Path) -> None:
    place, records = folder(tmp_path), Records()
    records.note(0.0, looked(0, 0), seen(0))
    records.note(1.0, looked(5_000, 5_000), seen(0))
    assert records.rate(place, seen(0)) == ("", None)
