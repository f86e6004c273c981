"""The machine a campaign runs on: what it is, and how much of it a build may take."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from django.db import connection

from portal.runs import provenance

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
#: Memory that a build is thought to need where no cap is set: a fixed part for the libraries, and
#: the vectors three times (as read, in the graph, and while the file is written). Ours.
_LIBRARIES_MB = 500
_COPIES = 3


def facts() -> dict[str, Any]:
    """Return what a reader needs to know of the machine."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "n_cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "load_average": os.getloadavg()[0],
        "revision": provenance.code_revision(),
        "postgres": _postgres(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def needed_mb(scale: int, dimension: int) -> int:
    """Return the memory that a build of an index is thought to need."""
    return _LIBRARIES_MB + _COPIES * (scale * dimension * 4 >> 20)


def n_workers(wanted: int, memory_mb: int) -> int:
    """Return how many builds may run side by side: as many as cores and free memory allow.

    Parameters
    ----------
    wanted : int
        At most; 0 for no limit but these.
    memory_mb : int
        Cap of one build, or what it is thought to need.
    """
    free_mb = psutil.virtual_memory().available >> 20
    by_memory = free_mb // max(1, memory_mb)
    n_cores = os.cpu_count() or 1
    return max(1, min(wanted or n_cores, n_cores, by_memory))


def _postgres() -> str:
    """Return the versions of the server and, where it is there, of its extension for vectors."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = str(cursor.fetchone()[0])
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        found = cursor.fetchone()
    return f"{server}, pgvector {found[0]}" if found else server


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
