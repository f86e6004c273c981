"""Built indexes of a campaign, kept until the last of their cells is measured.

A campaign that is paused, cancelled or killed while it measures finds them again: an hour of
building is not lost with a cell. An index is renamed into its place once it is whole, with the
digest of its corpus and the versions that built it; where either differs it is built anew.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from portal.lib import clock
from portal.lib.hashing import digest_json
from portal.runs.models import Run, State
from search.engine.files import sha256
from search.lab.engine import corpora, sealed
from search.lab.engine.corpora import Corpus
from search.lab.models import Campaign, CellResult

_MARK = "built.json"
_INDEX = "vectors"
_TABLE = f"{_INDEX}/table.json"
#: Days that a campaign at rest keeps what it built; ours.
KEEP_DAYS = 14
#: Whoever writes a folder holds it; this is how long it may take to begin.
_HALF_WRITTEN_S = 3_600.0
#: Clocks that differ by less are alike.
_FUTURE_S = 86_400.0


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
        content = self._content(key)
        if any(content.get(name) != value for name, value in self.made_with(corpus).items()):
            return None
        if content.get("sizes") != _sizes(self.place(key)):
            return None
        return dict(content["facts"])

    def rests_on(self, key: str, corpus: Corpus) -> dict[str, Any] | None:
        """Return what figures of an index rest on; None where it is not there or not whole.

        Beside what it was made with that is the digest of its files: another build of a graph may
        be another graph.
        """
        if self.found(key, corpus) is None:
            return None
        digests = self._content(key).get("digests")
        return self.made_with(corpus) | {"index": digest_json(digests)}

    def _content(self, key: str) -> dict[str, Any]:
        """Return what was written when an index was built; empty where there is none."""
        try:
            return dict(json.loads((self.place(key) / _MARK).read_text()))
        except (OSError, ValueError, TypeError):
            return {}

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
        found[str(one.relative_to(folder))] = sha256(one)
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


def sweep_shared(home: Path) -> int:
    """Remove corpora, exact answers and lexical legs that nobody used for `KEEP_DAYS`.

    Never what somebody holds, nor the texts of a collection that a campaign in the queue began
    with; and remove what tuning runs left that are over. Returns how much went.
    """
    active = Campaign.objects.filter(run__state__in=(State.QUEUED, State.RUNNING))
    begun = {
        corpora.collection_folder(home / "corpora", name, seed)
        for name, seed in active.exclude(corpus="").values_list("corpus", "seed")
    }

    def is_due(place: Path) -> bool:
        return place not in begun and _is_forgotten(place)

    count = sum(sealed.sweep(home / name, is_due) for name in ("corpora", "cache"))
    return count + clear_tuning(home / "tuning")


def clear_tuning(folder: Path, mine: UUID | None = None) -> int:
    """Remove what tuning runs left that are over, or that nobody knows; returns how many."""
    count = 0
    for place in folder.glob("*"):
        number = _number(place)
        run = None if number is None else Run.objects.filter(pk=number).first()
        if (mine is None or number != mine) and (run is None or run.is_terminal):
            shutil.rmtree(place, ignore_errors=True)
            count += 1
    return count


def _is_forgotten(place: Path) -> bool:
    """Whether nobody used a shared folder or file for long."""
    is_half_written = place.name.startswith(".")
    return _age_s(place) > (_HALF_WRITTEN_S if is_half_written else KEEP_DAYS * 86_400)


def _age_s(place: Path) -> float:
    """Return for how long something was not touched; what is from the future ages from now on."""
    try:
        age_s = clock.now().timestamp() - place.stat().st_mtime
        if age_s < -_FUTURE_S:  # the clock was set back since, perhaps by years
            os.utime(place)
    except FileNotFoundError:
        return 0.0
    return age_s


def _number(place: Path) -> UUID | None:
    try:
        return UUID(place.name)
    except ValueError:
        return None


def _is_needed(place: Path) -> bool:
    """Whether a folder, named like its campaign, is of one that works or may go on."""
    number = _number(place)
    if number is None:
        return False
    campaign = Campaign.objects.select_related("run").filter(pk=number).first()
    if campaign is None:
        return False
    if campaign.run is not None and not campaign.run.is_terminal:
        return True
    if not campaign.cells.filter(state=CellResult.State.WAITING).exists():
        return False
    return _age_s(place) < KEEP_DAYS * 86_400
