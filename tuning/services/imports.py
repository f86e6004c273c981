"""Files of a RocksDB of the user's own, read from disk: what kind one is, and what it says."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput
from tuning.engine.importers.db_bench import read_db_bench
from tuning.engine.importers.log import Log, read_log
from tuning.engine.importers.options import read_options
from tuning.engine.importers.statistics import read_dump, read_stats
from tuning.engine.options import Value
from tuning.engine.problems import TuningError, Unreadable
from tuning.services import asking, targets

#: Only a LOG may be larger: it is read line by line. Ours.
MOST_MIB = 16
#: Of a LOG so many of the latest stalls are given; ours.
N_STALLS = 20
_LINE = 1 << 20
_HEAD = 1 << 16
_LOG_LINE = re.compile(r"^\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d", re.MULTILINE)
_SIGNS: Mapping[str, Callable[[str], object]] = {
    "OPTIONS": lambda head: "[Version]" in head and "rocksdb_version=" in head,
    "LOG": _LOG_LINE.search,
    "db_bench": lambda head: "micros/op" in head or "DB path:" in head,
    "stats": lambda head: "** Compaction Stats" in head,
    "statistics": lambda head: "rocksdb." in head and " COUNT : " in head,
}
KINDS = tuple(_SIGNS)


def read(path: Path, kind: str = "") -> dict[str, Any]:
    """Return what a file says, as plain JSON.

    Parameters
    ----------
    kind
        One of :data:`KINDS`; else it is told from how the file begins.

    Raises
    ------
    InvalidInput
        If it cannot be opened, is too large for its kind, or is none of RocksDB's files.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            kind = kind or _kind(path, stream.read(_HEAD))
            if kind == "LOG":
                stream.seek(0)
                return {"kind": kind, **_log(read_log(_lines(stream), path.name))}
    except OSError as exc:
        raise _refused(_("%(file)s cannot be read: %(why)s."), path, exc.strerror or exc) from exc
    except Unreadable as exc:
        raise targets.refused(exc) from exc
    return {"kind": kind, **_small(path, kind)}


def options_in_use(path: Path) -> dict[str, Value]:
    """Return the options of an OPTIONS file that the target has, to begin a study from.

    Raises
    ------
    InvalidInput
        As :func:`read`.
    """
    found: dict[str, Value] = read(path, "OPTIONS")["configuration"]
    return found


def _kind(path: Path, head: str) -> str:
    for kind, is_one in _SIGNS.items():
        if is_one(head):
            return kind
    raise _refused(
        _("%(file)s is no file of RocksDB: its beginning shows none of %(why)s."),
        path,
        ", ".join(KINDS),
    )


def _small(path: Path, kind: str) -> dict[str, Any]:
    size_mib = path.stat().st_size >> 20
    if size_mib >= MOST_MIB:
        raise _refused(
            _("%(file)s has %(why)s; only a LOG may have so much. Cut out what is needed."),
            path,
            f"{size_mib} MiB",
        )
    text = path.read_text("utf-8", errors="replace")
    try:
        return _READERS[kind](text, path.name)
    except TuningError as exc:
        raise targets.refused(exc) from exc


def _options(text: str, name: str) -> dict[str, Any]:
    found = read_options(text, name)
    return asdict(found) | {"configuration": found.configuration()}


def _statistics(text: str, name: str) -> dict[str, Any]:
    found = read_dump(text, name)
    return asdict(found) | {"write_amplification": found.write_amplification}


_READERS: Mapping[str, Callable[[str, str], dict[str, Any]]] = {
    "OPTIONS": _options,
    "db_bench": lambda text, name: asdict(read_db_bench(text, name)),
    "stats": lambda text, name: asdict(read_stats(text, name)),
    "statistics": _statistics,
}


def _log(found: Log) -> dict[str, Any]:
    return {
        "version": found.version,
        "n_flushes": len(found.flushes),
        "flushed_bytes": found.flushed_bytes,
        "n_compactions": len(found.compactions),
        "compacted_bytes": found.compacted_bytes,
        "compaction_s": sum(one.seconds for one in found.compactions),
        "write_amplification": found.write_amplification,
        "n_stalls": len(found.stalls),
        "n_stops": sum(one.is_stop for one in found.stalls),
        "latest_stalls": [asdict(one) for one in found.stalls[-N_STALLS:]],
        "n_damaged": found.n_damaged,
        "options": dict(found.options),
    }


def _lines(stream: Any) -> Iterator[str]:
    """Give lines, of which none is read further than the importer lets it be long."""
    while line := stream.readline(_LINE + 2):
        yield line


def _refused(sentence: str, path: Path, why: object) -> InvalidInput:
    return asking.problem("file", "unreadable", sentence % {"file": path, "why": why})
