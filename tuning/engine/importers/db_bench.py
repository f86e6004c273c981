"""The output of RocksDB's ``db_bench``: a rate for each benchmark, percentiles where asked for.

Source: RocksDB wiki, "Benchmarking tools"; ``tools/db_bench_tool.cc``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tuning.engine.problems import Unreadable

_KIND = "db_bench output"
_RESULT = re.compile(
    r"^(\w+)(?: \[\w+[^\]]*\])?\s*:\s+([\d.]+) micros/op (\d+) ops/sec"
    r"(?:\s+([\d.]+) seconds (\d+) operations)?;?(?:\s+([\d.]+) MB/s)?"
)
_HEADER = re.compile(r"^(Keys|Values|Entries|RocksDB|Compression|Compression ratio):\s+(.*)$")
_VERSION = re.compile(r"^RocksDB:\s+version (\S+)")
_PERCENTILES = re.compile(r"(P[\d.]+): ([\d.]+)")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of a run.

    Attributes
    ----------
    seconds, n_operations, mb_s : float or None
        Where this version of db_bench prints them.
    percentiles_us : mapping
        Such as ``P99``; with ``--histogram`` only.
    """

    name: str
    us_per_operation: float
    rate_s: float
    seconds: float | None
    n_operations: int | None
    mb_s: float | None
    percentiles_us: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """The output of one run of db_bench."""

    version: str
    header: Mapping[str, str]
    benchmarks: tuple[Benchmark, ...]


def read_db_bench(text: str, name: str = "db_bench") -> Run:
    """Read the output of db_bench.

    Raises
    ------
    Unreadable
        If no result is in it.
    """
    header: dict[str, str] = {}
    version = ""
    found: list[Benchmark] = []
    for line in text.splitlines():
        if result := _RESULT.match(line):
            found.append(_benchmark(result))
        elif line.startswith("Percentiles:") and found:
            percentiles = {key: float(value) for key, value in _PERCENTILES.findall(line)}
            found[-1] = _with(found[-1], percentiles)
        elif heading := _HEADER.match(line):
            header[heading[1]] = heading[2].strip()
            if spoken := _VERSION.match(line):
                version = spoken[1]
    if not found:
        reason = "no line such as 'fillrandom : 3.4 micros/op 296383 ops/sec' is in it"
        raise Unreadable("unreadable", name=name, kind=_KIND, reason=reason)
    return Run(version, header, tuple(found))


def _benchmark(result: re.Match[str]) -> Benchmark:
    return Benchmark(
        name=result[1],
        us_per_operation=float(result[2]),
        rate_s=float(result[3]),
        seconds=float(result[4]) if result[4] else None,
        n_operations=int(result[5]) if result[5] else None,
        mb_s=float(result[6]) if result[6] else None,
        percentiles_us={},
    )


def _with(one: Benchmark, percentiles: Mapping[str, float]) -> Benchmark:
    return Benchmark(
        one.name,
        one.us_per_operation,
        one.rate_s,
        one.seconds,
        one.n_operations,
        one.mb_s,
        percentiles,
    )
