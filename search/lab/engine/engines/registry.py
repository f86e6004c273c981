"""The engines of the lab by name."""

from collections.abc import Callable, Mapping
from typing import Any

from search.lab.engine.contract import Engine
from search.lab.engine.engines import duck, faiss_kinds, graphs, own
from search.lab.engine.engines.pg import PgVector
from search.lab.engine.matrix import ENGINES
from search.lab.engine.problems import MatrixProblem


def engines(connect: Callable[[], Any] | None = None) -> Mapping[str, Engine]:
    """Return all engines.

    Parameters
    ----------
    connect : callable or None
        Opens a connection to the Postgres that pgvector is measured on.
    """
    known: tuple[Engine, ...] = (
        duck.HNSW,
        duck.EXACT,
        faiss_kinds.FLAT,
        faiss_kinds.SQ8,
        faiss_kinds.HNSW_SQ8,
        graphs.HNSWLIB,
        graphs.USEARCH,
        PgVector(connect) if connect else PgVector(),
        own.MILLWRIGHT,
    )
    return {one.name: one for one in known}


def engine(name: str, connect: Callable[[], Any] | None = None) -> Engine:
    """Return one engine.

    Raises
    ------
    MatrixProblem
        If the lab has none of that name.
    """
    found = engines(connect).get(name)
    if found is None:
        raise MatrixProblem(
            "unknown_choice", field="engine", value=repr(name), allowed=", ".join(ENGINES)
        )
    return found
