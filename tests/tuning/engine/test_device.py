"""The bandwidth probe, on a small file."""

import errno
from pathlib import Path

import pytest

from tuning.engine.device import probe
from tuning.engine.problems import NoSpace


def test_every_way_is_measured_or_refused_in_the_systems_words(tmp_path: Path) -> None:
    heard: list[float] = []
    found = probe(
        tmp_path, size_mib=2, seconds=0.3, beat=lambda fraction, phase: heard.append(fraction)
    )
    names = {one.name for one in found.bandwidths} | set(found.refused)
    assert len(names) == 8
    assert all(one.bps > 0 and len(one.request_s) for one in found.bandwidths)
    assert all("direct" in name for name in found.refused)
    assert found.bps("sequential buffered write")
    assert found.bps("no such way") is None
    assert heard[-1] == 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused_and_errors_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoSpace):
        probe(tmp_path, size_mib=1 << 40)

    def fail(fraction: float, phase: str) -> None:
        raise OSError(errno.EIO, "told")

    with pytest.raises(OSError, match="told"):
        probe(tmp_path, size_mib=1, beat=fail)
    assert list(tmp_path.iterdir()) == []
