"""A whole file through the portal: upload, predict row by row, fetch the result.

Generated shots, one in a thousand rows broken, as CSV and as Parquet in turns. Time counts from the
first byte sent to the end of the run; memory is the largest process of the worker, read ten times a
second. Every result is fetched and its rows are counted.

    .venv/bin/python -m benchmarks.predictions.batch --rows 1000000 --rounds 3
"""

import argparse
import io
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from benchmarks.predictions import targets
from benchmarks.predictions.http import machine
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate

BATCHES = "/api/v1/batch-predictions/"
FORMS = ("csv", "parquet")
#: Rows made at a time, so that this program stays small beside what it measures.
CHUNK_ROWS = 100_000
BROKEN_EVERY = 1_000
SAMPLE_S = 0.1
BLOCK_BYTES = 1 << 20
BOUNDARY = "millwright-benchmark"


@dataclass
class Cell:
    """All rounds of one form of file."""

    upload_s: list[float] = field(default_factory=list)
    run_s: list[float] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rows_per_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    before_mb: list[float] = field(default_factory=list)


def write_files(folder: Path, n_rows: int) -> dict[str, Path]:
    """Write the same generated shots in both forms and return the paths."""
    paths = {form: folder / f"shots.{form}" for form in FORMS}
    schema = pa.schema([("id", pa.string()), *((name, pa.float64()) for name in FEATURE_NAMES)])
    with (
        pq.ParquetWriter(paths["parquet"], schema) as columns,
        paths["csv"].open("wb") as sink,
        pv.CSVWriter(sink, schema) as lines,
    ):
        for start in range(0, n_rows, CHUNK_ROWS):
            count = min(CHUNK_ROWS, n_rows - start)
            table = _shots(start, count).cast(schema)
            columns.write_table(table)
            lines.write_table(table)
    return paths


def _shots(start: int, count: int) -> pa.Table:
    matrix = generate(count, 4242 + start, missing_share=0.0).table().matrix()
    values = matrix.astype(np.float64).round(4)
    values[::BROKEN_EVERY, FEATURE_NAMES.index("Velocity_1")] = 9_999.0
    named = {name: values[:, index] for index, name in enumerate(FEATURE_NAMES)}
    return pa.table({"id": [f"shot-{start + number}" for number in range(count)], **named})


def send(portal: targets.Portal, path: Path) -> str:
    """Upload a file block by block and return the address of its prediction."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = HTTPConnection("127.0.0.1", portal.port, timeout=600)
    connection.putrequest("POST", BATCHES)
    connection.putheader("Authorization", f"Bearer {portal.key}")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            connection.send(block)
    connection.send(tail)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    if answer.status != 202:
        raise RuntimeError(f"The portal answered {answer.status}: {body}")
    return f"{BATCHES}{body['id']}/"


@contextmanager
def memory_of(root: int, peaks: list[float]) -> Iterator[None]:
    """Note the largest resident size in MB that any process of a tree had meanwhile."""
    stop = threading.Event()
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while not stop.wait(SAMPLE_S):
            peak = max(peak, largest_mb(root))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
        peaks.append(peak)


def largest_mb(root: int) -> float:
    """Return the resident size in MB of the largest process of a tree."""
    sizes = [0.0]
    for process in (psutil.Process(root), *psutil.Process(root).children(recursive=True)):
        try:
            sizes.append(process.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            continue
    return max(sizes)


def finished(portal: targets.Portal, address: str) -> dict[str, Any]:
    """Wait for a file to be predicted and return what is said of it."""
    while True:
        said: dict[str, Any] = json.loads(portal.get(address))
        if said["state"] not in {"queued", "running"}:
            break
        time.sleep(0.2)
    if said["state"] != "succeeded":
        raise RuntimeError(f"The run ended as {said['state']}: {said['error']}")
    return said


def check(portal: targets.Portal, said: dict[str, Any], n_rows: int) -> None:
    """Fetch the result and make sure that every row is there once."""
    table = pq.read_table(
        io.BytesIO(portal.get(said["results"]["parquet"]["url"])), columns=["row", "status"]
    )
    rows = table["row"].to_numpy()
    n_invalid = table["status"].to_pylist().count("invalid")
    if len(np.unique(rows)) != n_rows or (said["rows"], said["invalid"]) != (n_rows, n_invalid):
        raise RuntimeError(f"{len(rows)} rows came out of {n_rows}: {said}")


def one_round(portal: targets.Portal, path: Path, n_rows: int, cell: Cell) -> None:
    """Send one file and note what it took."""
    worker = portal.members()["worker-interactive"]
    cell.before_mb.append(largest_mb(worker))
    with memory_of(worker, cell.peak_mb):
        started = time.perf_counter()
        address = send(portal, path)
        cell.upload_s.append(time.perf_counter() - started)
        said = finished(portal, address)
        cell.whole_s.append(time.perf_counter() - started)
    run = json.loads(portal.get(f"/api/v1/runs/{said['id']}/"))
    spent = np.datetime64(run["finished_at"][:-1]) - np.datetime64(run["started_at"][:-1])
    cell.run_s.append(float(spent / np.timedelta64(1, "s")))
    cell.cpu_s.append(run["cpu_seconds"])
    cell.rows_per_s.append(n_rows / cell.run_s[-1])
    check(portal, said, n_rows)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    given = arguments()
    cells = {form: Cell() for form in FORMS}
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        paths = write_files(folder, given.rows)
        portal = targets.Portal(folder, stack)
        portal.wait_for_champion()
        where = machine()
        for number in range(given.rounds):
            for form in FORMS[:: 1 if number % 2 else -1]:
                one_round(portal, paths[form], given.rows, cells[form])
        sizes = {form: path.stat().st_size / 1e6 for form, path in paths.items()}
    result = {
        "machine": where,
        "rows": given.rows,
        "rounds": given.rounds,
        "forms": {form: vars(cell) | {"file_mb": sizes[form]} for form, cell in cells.items()},
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(markdown(result))


def markdown(result: dict[str, Any]) -> str:
    """Return the figures as the table of docs/performance.md."""
    lines = [
        "| file | MB | upload and check s | run s (range) | CPU s | rows/s | peak RSS MB, largest "
        "process (before) | n |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for form, cell in result["forms"].items():
        run_s = cell["run_s"]
        lines.append(
            f"| {form}, {result['rows']:,} rows | {cell['file_mb']:.0f} | "
            f"{np.median(cell['upload_s']):.1f} | {np.median(run_s):.1f} ({min(run_s):.1f} to "
            f"{max(run_s):.1f}) | {np.median(cell['cpu_s']):.1f} | "
            f"{np.median(cell['rows_per_s']):,.0f} | "
            f"{max(cell['peak_mb']):.0f} ({min(cell['before_mb']):.0f}) | {len(run_s)} |"
        )
    where = result["machine"]
    lines.append("")
    lines.append(
        f"{where['cores']} cores, Python {where['python']}, revision {where['revision']}, load "
        f"{where['load_before']:.1f} before."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
