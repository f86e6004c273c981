"""Built indexes of a campaign, kept until the last of their cells is measured.

A campaign that is paused, cancelled or killed while it measures finds them again: an hour of
building is not lost with a cell. An index is renamed into its place once it is whole, with the
digest of its corpus and the versions that built it; where either differs it is built anew.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from portal.lib import clock
from portal.lib.hashing import sha256_stream
from search.lab.engine.corpora import Corpus
from search.lab.models import Campaign, CellResult

_MARK = "built.json"
_INDEX = "vectors"
_TABLE = f"{_INDEX}/table.json"
#: Days that a campaign at rest keeps what it built; ours.
KEEP_DAYS = 14


class Shelf:
    """Where the indexes of one campaign stand.

    Parameters
    ----------
    versions : mapping
        Of the packages that build; see `machine.facts`.
    """

    def __init__(self, folder: Path, versions: Mapping[str, str]) -> None:
        self._folder = folder
        self._versions = dict(versions)

    def place(self, key: str) -> Path:
        """Return where an index stands or will stand."""
        return self._folder / key

    def made_with(self, corpus: Corpus) -> dict[str, Any]:
        """Return what indexes and figures of a corpus rest on."""
        return {"corpus": corpus.digest, "versions": self._versions}

    def found(self, key: str, corpus: Corpus) -> dict[str, Any] | None:
        """Return what building an index gave, None where it must be built."""
        try:
            content = json.loads((self.place(key) / _MARK).read_text())
        except (OSError, ValueError):
            return None
        if any(content.get(name) != value for name, value in self.made_with(corpus).items()):
            return None
        if content.get("sizes") != _sizes(self.place(key)):
            return None
        return dict(content["facts"])

    def is_damaged(self, key: str) -> bool:
        """Whether the files of an index differ from what was built; reads all of them."""
        try:
            content = json.loads((self.place(key) / _MARK).read_text())
            return bool(content["digests"] != _digests(self.place(key)))
        except (OSError, ValueError, KeyError, TypeError):
            return self.place(key).exists()

    def put(self, key: str, built: Path, corpus: Corpus, facts: Mapping[str, Any]) -> None:
        """Move a built index to its place."""
        content = {
            **self.made_with(corpus),
            "facts": dict(facts),
            "sizes": _sizes(built),
            "digests": _digests(built),
        }
        (built / _MARK).write_text(json.dumps(content))
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.place(key), ignore_errors=True)
        built.rename(self.place(key))

    def tables(self) -> list[Path]:
        """Return the folders of indexes that are tables of the database."""
        return [one.parent for one in self._folder.glob(f"*/{_TABLE}")]

    def drop(self, keys: Iterable[str]) -> None:
        """Remove indexes that nobody needs any more."""
        for key in keys:
            shutil.rmtree(self.place(key), ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """Return the files of an index; what jobs write beside them is not part of it."""
    return sorted(one for one in (folder / _INDEX).rglob("*") if one.is_file())


def _sizes(folder: Path) -> dict[str, int]:
    return {str(one.relative_to(folder)): one.stat().st_size for one in _files(folder)}


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for one in _files(folder):
        with one.open("rb") as stream:
            found[str(one.relative_to(folder))] = sha256_stream(stream)
    return found


def sweep(home: Path, drop_tables: Callable[[Iterable[Path]], None]) -> int:
    """Remove what no campaign will need again; returns how many folders went.

    Kept are those of campaigns that are at work, or that rest with cells left and were touched
    within `KEEP_DAYS`.

    Parameters
    ----------
    home : Path
        Of the lab.
    drop_tables : callable
        Given the folders of indexes that are tables of the database.
    """
    count = 0
    for place in (*home.glob("indexes/*"), *home.glob("passes/*"), *home.glob("work/*")):
        if place.is_dir() and not _is_needed(place):
            drop_tables(one.parent for one in place.rglob(_TABLE))
            shutil.rmtree(place, ignore_errors=True)
            count += 1
    return count


def _is_needed(place: Path) -> bool:
    """Whether a folder, named like its campaign, is of one that works or may go on."""
    try:
        number = UUID(place.name)
    except ValueError:
        return False
    campaign = Campaign.objects.select_related("run").filter(pk=number).first()
    if campaign is None:
        return False
    if campaign.run is not None and not campaign.run.is_terminal:
        return True
    if not campaign.cells.filter(state=CellResult.State.WAITING).exists():
        return False
    return clock.now().timestamp() - place.stat().st_mtime < KEEP_DAYS * 86_400
