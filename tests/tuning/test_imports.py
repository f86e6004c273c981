"""Files of one's own on the command line: told apart, read, refused; options in use from one."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.tuning.engine.importers import texts
from tuning.engine.rocksdb.opening import database
from tuning.engine.rocksdb.target import RocksDB
from tuning.models import Study


def said(file: Path, *words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("read_rocksdb", str(file), *words, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a database that flushed, with its statistics beside."""
    found = tmp_path_factory.mktemp("database")
    opened, made = database(found, RocksDB().check({"write_buffer_size": 1}), wal=True)
    for number in range(2_000):
        opened.put(b"%016d" % number, b"v" * 100)
    opened.flush()
    (found / "statistics.txt").write_text(made.get_statistics() or "")
    (found / "stats.txt").write_text(opened.property_value("rocksdb.stats") or "")
    opened.close()
    return found


def test_each_kind_is_told_from_how_it_begins(folder: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench.txt"
    bench.write_text(texts.DB_BENCH)
    options = min(folder.glob("OPTIONS-*"))
    assert said(folder / "LOG")["n_flushes"] >= 1
    assert said(options)["configuration"]["write_buffer_size"] == 1
    assert said(folder / "statistics.txt")["counters"]["rocksdb.number.keys.written"] == 2_000
    assert said(folder / "stats.txt")["kind"] == "stats"
    assert said(bench)["benchmarks"][0]["rate_s"] == 296_383
    assert said(bench, "--kind", "db_bench")["version"] == "9.8.4"


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 40, b"x" * (3 << 20)])
def test_what_is_none_of_them_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(content)
    with pytest.raises(CommandError, match="junk is no file of RocksDB"):
        said(junk)
    for kind in ("LOG", "OPTIONS", "statistics", "stats", "db_bench"):
        with pytest.raises(CommandError, match="junk is no"):
            said(junk, "--kind", kind)


def test_what_is_missing_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        said(tmp_path / "none")
    with pytest.raises(CommandError, match="Is a directory"):
        said(tmp_path)
    large = tmp_path / "OPTIONS-1"
    with large.open("wb") as stream:
        stream.write(b"[Version]\n  rocksdb_version=9.8.4\n")
        stream.truncate(500 << 20)
    with pytest.raises(CommandError, match="500 MiB"):
        said(large)


@pytest.mark.django_db
def test_a_study_begins_with_the_options_of_a_file(folder: Path) -> None:
    file = min(folder.glob("OPTIONS-*"))
    call_command("tune", "--options-file", str(file), "--no-wait", stdout=StringIO())
    assert Study.objects.get().current["write_buffer_size"] == 1
    with pytest.raises(CommandError, match="LOG is no"):
        call_command("tune", "--options-file", str(folder / "LOG"), stdout=StringIO())
