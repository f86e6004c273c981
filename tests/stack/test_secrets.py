from pathlib import Path
from stat import S_IMODE

from portal.stack import secrets


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = secrets.secret_key(tmp_path)

    assert secrets.secret_key(tmp_path) == first
    assert len(first) >= 50
    assert S_IMODE((tmp_path / "secrets" / "secret_key").stat().st_mode) == 0o600
    assert S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_making_a_secret_leaves_no_other_file_behind(tmp_path: Path) -> None:
    secrets.postgres_password(tmp_path)
    secrets.redis_password(tmp_path)

    names = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert names == {"postgres_password", "redis_password"}
