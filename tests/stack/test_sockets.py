from pathlib import Path
from stat import S_IMODE

import pytest

from portal.stack import sockets


@pytest.mark.parametrize("name", ["a" * 120, "밀링", "with space"])
def test_a_long_or_unusual_path_is_avoided(tmp_path: Path, name: str) -> None:
    folder = sockets.open_folder(tmp_path / name, shared=False)

    assert folder != tmp_path / name
    assert sockets.suits(folder)
    assert S_IMODE(folder.stat().st_mode) == 0o700
    sockets.close_folder(folder)
    assert not folder.exists()


def test_a_short_plain_path_is_used_as_it_is(tmp_path: Path) -> None:
    wanted = Path("/tmp") / tmp_path.name  # noqa: S108 - pytest's own path is long
    assert sockets.open_folder(wanted, shared=False) == wanted
    wanted.rmdir()


def test_a_folder_another_user_must_reach_can_be_passed_but_not_listed(tmp_path: Path) -> None:
    folder = sockets.open_folder(tmp_path, shared=True)

    assert S_IMODE(folder.stat().st_mode) == 0o711
    sockets.close_folder(folder)
