"""Predictions over HTTP beside what people serve models with: MLflow, BentoML, FastAPI.

All serve the same ONNX file on the same machine with one worker each, in turns within one run: one
row and 32 rows a request, over 1 and 8 connections. The portal checks keys and values and records
every prediction; the others do none of it. MLflow stands there twice: with named columns, as others
take them, and with a bare array, which is faster and leaves the order of features to the caller.

    benchmarks/setup.sh && .venv/bin/python -m benchmarks.predictions.peers
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.predictions import load, targets
from benchmarks.predictions.http import Cell, machine, measured
from benchmarks.predictions.targets import Target
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate

CONNECTIONS = (1, 8)
N_ROWS = (1, 32)
N_REQUESTS = 200
WARM_UP_S = 1.5
#: What the portal must reach of each other server's requests/s.
GOALS = {"mlflow": 2.5, "BentoML": 3.0, "FastAPI, 1 worker": 0.6}

Shot = dict[str, float]
Cells = dict[tuple[str, int, int], Cell]


def shots(n_rows: int) -> list[list[Shot]]:
    """Return the shots of each request."""
    matrix = generate(N_REQUESTS * n_rows, 4242, missing_share=0.0).table().matrix().round(4)
    rows = [dict(zip(FEATURE_NAMES, row, strict=True)) for row in matrix.tolist()]
    return [rows[at : at + n_rows] for at in range(0, len(rows), n_rows)]


def body(server: str, rows: Sequence[Shot]) -> bytes:
    """Return a request's body in the manner of a server."""
    if server == "mlflow, array":
        return json.dumps({"inputs": [list(row.values()) for row in rows]}).encode()
    if server == "mlflow":
        frame = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
        return json.dumps({"dataframe_split": frame}).encode()
    one = {"features": rows[0]}
    return json.dumps(one if len(rows) == 1 else {"instances": list(rows)}).encode()


def path(target: Target, n_rows: int) -> str:
    """Return where so many rows are posted to."""
    if n_rows == 1 or target.name.startswith("mlflow"):
        return target.path
    return {"BentoML": "/predict_many", "portal": f"{target.path}batch/"}.get(
        target.name, f"{target.path}/batch"
    )


def rounds(every: Sequence[Target], *, count: int, duration_s: float, seed: int) -> Cells:
    """Measure all servers in turns, in another order each round."""
    order = random.Random(seed)  # noqa: S311 - shuffles turns
    cells: Cells = {}
    for n_rows in N_ROWS:
        groups = shots(n_rows)
        asked = [replace(target, path=path(target, n_rows)) for target in every]
        for _round in range(count):
            for n_connections in CONNECTIONS:
                for target in order.sample(asked, len(asked)):
                    sent = [
                        load.http_request(
                            "POST", target.path, body(target.name, group), dict(target.headers)
                        )
                        for group in groups
                    ]
                    run = partial(load.closed_loop, target.address, sent, n_connections)
                    run(WARM_UP_S)
                    cell = cells.setdefault((target.name, n_rows, n_connections), Cell())
                    cell.add(*measured(target, partial(run, duration_s)))
    return cells


def ratios(
    cells: Cells, server: str, n_rows: int, n_connections: int
) -> tuple[float, float, float]:
    """Return the portal's share of a server's requests/s: median, least and most of the rounds."""
    own = np.array(cells["portal", n_rows, n_connections].per_second)
    other = np.array(cells[server, n_rows, n_connections].per_second)
    of_rounds = own / other
    return float(np.median(of_rounds)), float(of_rounds.min()), float(of_rounds.max())


def markdown(cells: Cells, where: dict[str, Any]) -> str:
    """Return the figures as the tables of docs/performance.md."""
    lines = [
        json.dumps(where),
        "",
        "| rows | connections | server | requests/s (range) | p50 ms | p99 ms | CPU ms | n "
        "| errors | portal's share (range) | goal |",
        "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (server, n_rows, n_connections), cell in sorted(
        cells.items(), key=lambda item: (item[0][1], item[0][2], item[0][0])
    ):
        seen = cell.to_dict()
        rate = seen["per_second"]
        share, low, high = ratios(cells, server, n_rows, n_connections)
        goal = GOALS.get(server)
        lines.append(
            f"| {n_rows} | {n_connections} | {server} | {rate['median']:,.0f} "
            f"({rate['low']:,.0f} to {rate['high']:,.0f}) | {seen['p50_ms']:.2f} | "
            f"{seen['p99_ms']:.2f} | {seen['cpu_ms']['all']:.2f} | {seen['n']:,} | {seen['n_bad']} "
            f"| {share:.2f} ({low:.2f} to {high:.2f}) | "
            f"{f'{goal}: ' + ('met' if share >= goal else 'missed') if goal else ''} |"
        )
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="Interpreter that setup.sh printed.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="Of each measurement.")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    given = arguments()
    python = given.python or targets.ROOT / "var" / "benchmarks" / "venv" / "bin" / "python"
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        portal = targets.Portal(folder, stack, workers=1)
        model = folder / "serving.onnx"
        model.write_bytes(portal.serving_form(portal.wait_for_champion()))
        every = [
            portal.target(),
            targets.bare(python, model, folder, stack, workers=1),
            targets.bento(python, model, folder, stack),
            *targets.mlflow(python, model, folder, stack),
        ]
        where = machine()
        cells = rounds(every, count=given.rounds, duration_s=given.seconds, seed=given.seed)
    sys.stdout.write(markdown(cells, where))


if __name__ == "__main__":
    main()
