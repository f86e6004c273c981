"""Campaigns that look measured, from samples whose answer is known; no engine runs."""

import io

import numpy as np
import pyarrow.parquet as pq

from portal.core.actors import Actor
from portal.lib import clock
from portal.lib.hashing import digest_json
from portal.runs import artifacts
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.measuring import Samples
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns

PLAN = Matrix(
    scales=(10_000, 100_000),
    dimensions=(128, 256, 512),
    search_types=("vector",),
    filters=(None, 0.1),
    engines=("hnswlib", "duckdb-hnsw"),
)
ENVIRONMENT = {
    "python": "3.11",
    "system": "Linux",
    "processor": "네 코어 <프로세서>",
    "n_cores": 4,
    "memory_mb": 8192,
    "load_average": 0.25,
    "versions": {"numpy": "2.0", "duckdb": "1.5"},
}
BASES = {"hnswlib": 0.2, "duckdb-hnsw": 2.0}


def campaign(name: str = "측정 <하나>", *, slowed: float = 1.0, plan: Matrix = PLAN) -> Campaign:
    """Make a campaign whose latencies follow a power law; `slowed` multiplies those of hnswlib."""
    made = campaigns.create(plan=plan, name=name, actor=Actor.system("test"))
    Campaign.objects.filter(pk=made.pk).update(environment=ENVIRONMENT)
    made.refresh_from_db()
    for row in made.cells.all():
        factor = slowed if row.what.engine == "hnswlib" else 1.0
        measure(row, samples(row.what, factor, seed=row.position))
    return made


def measure(row: CellResult, own: Samples, **changed: object) -> None:
    """Write a cell as measured."""
    sink = io.BytesIO()
    pq.write_table(own.to_table(), sink)
    artifact = artifacts.save(sink.getvalue(), "application/vnd.apache.parquet")
    facts = {
        "build_s": 1.5,
        "build_cpu_s": 1.4,
        "build_peak_mb": 300.0,
        "size_bytes": 5_000_000,
        "version": "1.0",
        "uses_index": True,
        "evidence": "graph",
        "load_s": 0.1,
        "wanted": 10,
        "falls_short": False,
        "peak_mb": 120.0 + row.position,
        "baseline_mb": 100.0,
        "engine_mb": 20.0 + row.position,
        "foreign_cores": 0.0,
        "load_average": 0.2,
        "per_second": {"1": [900.0, 950.0], "2": [1700.0, 1750.0]},
        "is_disturbed": False,
    } | changed
    CellResult.objects.filter(pk=row.pk).update(
        state=CellResult.State.MEASURED,
        facts=facts,
        digest=digest_json(facts),
        samples=artifact,
        measured_at=clock.now(),
    )


def change(row: CellResult, **changed: object) -> None:
    """Change facts of a measured cell; its samples stay."""
    row.refresh_from_db()
    facts = row.facts | changed
    CellResult.objects.filter(pk=row.pk).update(facts=facts, digest=digest_json(facts))


def samples(cell: Cell, slowed: float = 1.0, seed: int = 0, n_passes: int = 3) -> Samples:
    """Return samples whose latency follows a power law of scale and dimension, of like passes."""
    generator = np.random.default_rng(seed)
    base = BASES[cell.engine] * (cell.scale / 1e4) ** 0.3 * (cell.dimension / 128) ** 0.9
    wall = base * slowed * np.exp(generator.normal(0, 0.05, 100))
    recall = np.where(generator.random(100) < 0.8, 1.0, 0.9)
    wall = np.outer(np.exp(generator.normal(0, 0.001, n_passes)), wall).ravel()
    recall = np.tile(recall, n_passes)
    rows, asked = np.full(len(wall), 10), np.tile(np.arange(100), n_passes)
    passes = np.repeat(np.arange(n_passes), 100)
    return Samples(wall, wall * 0.9, rows, recall, recall, recall, recall, asked, passes)
