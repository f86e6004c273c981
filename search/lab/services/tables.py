"""Indexes that are tables of the portal's database: removed with the folders that know of them."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from django.db import OperationalError

from search.lab.engine.engines.pg import PgVector
from search.lab.services import campaigns


def remove(folder: Path) -> None:
    """Remove a folder of builds, and their tables in the database, which nobody else knows of.

    Raises
    ------
    django.db.OperationalError
        As `drop`; the folder stays, so that its tables are not forgotten.
    """
    drop(found.parent for found in folder.rglob("vectors/table.json"))
    shutil.rmtree(folder, ignore_errors=True)


def drop(places: Iterable[Path]) -> None:
    """Remove the tables of indexes that lie in the database.

    Raises
    ------
    django.db.OperationalError
        If the database does not answer.
    """
    try:
        for place in places:
            PgVector(_connect).drop(place)
    except psycopg.OperationalError as exc:
        raise OperationalError(str(exc)) from exc


def _connect() -> Any:
    return psycopg.connect(campaigns.postgres())
