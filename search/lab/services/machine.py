"""The machine a campaign runs on: what it is, and how much of it a build may take."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = (
    "numpy",
    "duckdb",
    "faiss-cpu",
    "chroma-hnswlib",
    "usearch",
    "bm25s",
    "tantivy",
    "psycopg",
)
#: Memory that a build is thought to need where no cap is set.
_USUAL_MB = 4_096


def facts() -> dict[str, Any]:
    """Return what a reader needs to know of the machine."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "n_cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "load_average": os.getloadavg()[0],
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def n_workers(wanted: int, memory_mb: int) -> int:
    """Return how many builds may run side by side: as many as cores and free memory allow."""
    free_mb = psutil.virtual_memory().available >> 20
    by_memory = free_mb // (memory_mb or _USUAL_MB)
    return max(1, min(wanted, os.cpu_count() or 1, by_memory))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
