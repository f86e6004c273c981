import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from portal.stack import account, postgres
from portal.stack.errors import StackError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends identities")


@pytest.mark.skipif(os.geteuid() == 0, reason="root lends identities")
def test_an_ordinary_user_runs_postgres_as_itself(tmp_path: Path) -> None:
    assert account.choose(tmp_path / "none") is account.OWN


@as_root
def test_root_lends_an_unprivileged_identity(tmp_path: Path) -> None:
    chosen = account.choose(tmp_path / "none")

    assert chosen.name in account.LENT_NAMES
    assert chosen.run(["/usr/bin/id", "-u"]).stdout.strip() == str(pwd.getpwnam(chosen.name).pw_uid)


@as_root
def test_root_keeps_to_the_owner_of_existing_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(data, nobody.pw_uid, nobody.pw_gid)

    assert account.choose(data).uid == nobody.pw_uid


@as_root
def test_root_without_any_way_out_is_told_of_database_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "LENT_NAMES", ())

    with pytest.raises(StackError, match="DATABASE_URL"):
        account.choose(tmp_path / "none")


@as_root
def test_binaries_out_of_reach_are_copied_once() -> None:
    chosen = account.choose(Path("/none"))
    with tempfile.TemporaryDirectory() as closed, tempfile.TemporaryDirectory() as reachable:
        Path(reachable).chmod(0o711)
        real = postgres.binaries(postgres.NEWEST)
        source = Path(closed) / postgres.WHEEL / real.name
        shutil.copytree(real / "bin", source / "bin")
        shutil.copytree(real / "lib", source / "lib", symlinks=True)
        (Path(closed) / f"{postgres.WHEEL}.libs").mkdir()

        copy = postgres.copied_binaries(source, Path(reachable), chosen)

        assert copy.is_relative_to(reachable)
        assert chosen.can([copy / "bin" / "postgres", "--version"])
        assert postgres.copied_binaries(source, Path(reachable), chosen) == copy


def test_a_data_folder_chooses_the_binaries_of_its_version(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")

    assert postgres.major_of(tmp_path) == 16
    assert postgres.binaries(16) != postgres.binaries(postgres.NEWEST)
    assert postgres.major_of(tmp_path / "none") == postgres.NEWEST


def test_a_data_folder_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(StackError, match="needs Postgres 12"):
        postgres.binaries(12)


def test_a_place_outside_is_chosen_once_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OUTSIDE", (str(tmp_path),))
    pointer = tmp_path / "postgres.path"
    first = postgres.outside_folder(pointer, account.OWN)

    assert first.is_relative_to(tmp_path / "millwright")
    assert postgres.outside_folder(pointer, account.OWN) == first


def test_without_any_place_outside_the_settings_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OUTSIDE", (str(tmp_path / "none"),))

    with pytest.raises(StackError, match="MILLWRIGHT_POSTGRES_DATA"):
        postgres.outside_folder(tmp_path / "postgres.path", account.OWN)
