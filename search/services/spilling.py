"""Changes that wait for the next build, once on this machine instead of in every process.

A process takes changes into memory, where they are searchable at once. When there are many, one
process writes them as a segment beside the index (`search.engine.segments`) and all read it from
there; neighbours of like size are merged, so that there are few. Where nothing can be written, the
changes stay in memory as before.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np

from portal.lib.memory import give_back
from search.engine.problems import EngineError, IndexDamaged, MachineShort
from search.engine.segments import HEAD, Segment, living, merge
from search.models import Collection, Document
from search.services import changes, folders
from search.services.holding import MOST_IN_MEMORY, Held

logger = logging.getLogger(__name__)

Writer = Callable[[Path, int, int], None]

#: Segments of more passages together are not merged: it would take memory and time.
LARGEST = 16_384
#: More are merged whatever their size; each takes eleven descriptors of every process. Ours.
MOST_SEGMENTS = 24
#: Documents whose changes are read at once.
BATCH = 100


def is_due(held: Held) -> bool:
    """Whether a process holds more in memory than it should."""
    return held.changes is not None and held.index.n_in_memory >= held.spill_at


def take_over(held: Held) -> None:
    """Map what other processes have written already, unless the documents are others by now."""
    if held.changes is None or not held.changes.is_dir():
        return
    try:
        with folders.sole(held.changes):  # or what is merged meanwhile would count as damaged
            chain = _chain(held.changes, held.through)
            if all(_is_of_these_documents(held.collection, folder) for folder in chain):
                _adopt(held, chain)
            else:
                shutil.rmtree(held.changes, ignore_errors=True)
    except (OSError, MachineShort) as exc:
        logger.warning("changes of %s are read from the database: %s", held.collection, exc)


def _is_of_these_documents(collection: str, folder: Path) -> bool:
    """Whether a segment was written of the database as it is, and not before a restoration."""
    last = int(folder.name.partition("-")[2])
    try:
        written = (folder / HEAD).stat().st_mtime
    except OSError:
        return False
    if not Collection.objects.filter(name=collection, sequence__gte=last).exists():
        return False
    own = Document.objects.filter(collection__name=collection, sequence=last)
    return not own.filter(updated_at__gt=datetime.fromtimestamp(written, UTC)).exists()


def spill(held: Held) -> bool:
    """Move what is in memory into files, or map what another process wrote of it.

    Nothing is missing from searches meanwhile: the index is exchanged for one that knows as much.

    Returns
    -------
    bool
        Whether memory was freed; otherwise it is tried again when there is twice as much.
    """
    if held.changes is None:
        return False
    is_done = False
    try:
        with folders.sole(held.changes):
            if _end(_chain(held.changes, held.through), held.through) < _known(held):
                _restore(held, held.changes)
            if _end(_chain(held.changes, held.through), held.through) == _known(held):
                _write(held, held.changes)
            is_done = _adopt(held, _chain(held.changes, held.through))
    except (OSError, EngineError) as exc:
        logger.warning("changes of %s stay in memory: %s", held.collection, exc)
    held.spill_at = MOST_IN_MEMORY if is_done else 2 * held.index.n_in_memory
    return is_done


def _known(held: Held) -> int:
    """Return the last change that the segments of an open index hold."""
    segments = held.index.segments
    return segments[-1].last if segments else held.through


def _restore(held: Held, root: Path) -> None:
    """Write once more what is mapped here and lies there no longer: it was damaged and removed.

    What is mapped stays whole when its files go.
    """
    _publish(root, held.through, _known(held), partial(_merged, list(held.index.segments), []))


def _write(held: Held, root: Path) -> None:
    """Write what is in memory behind the segments there are, and merge the last ones."""
    _remove_strays(root, _chain(root, held.through))
    _publish(root, _known(held), held.sequence, held.index.freeze)
    segments = _opened(held, _chain(root, held.through))
    while (place := _next_to_merge(segments)) is not None:
        pair, later = segments[place : place + 2], segments[place + 2 :]
        _publish(root, pair[0].first, pair[1].last, partial(_merged, pair, later))
        for one in pair:  # whoever reads them keeps what is mapped
            shutil.rmtree(one.folder, ignore_errors=True)
        merged = Segment.open(root / f"{pair[0].first}-{pair[1].last}")
        segments[place : place + 2] = [merged]


def _next_to_merge(segments: list[Segment]) -> int | None:
    """Return the first of two neighbours that are better one, None when all are well as they are.

    The last ones while they are of like size; any two of which half was replaced since, so that
    documents that change again and again take no more room than they need; and the two smallest
    when there are too many, because every file that is mapped keeps a descriptor.
    """
    sizes = [len(one) for one in segments]
    n_left = [int(alive.sum()) for alive in np.split(living(segments), np.cumsum(sizes)[:-1])]
    pairs = range(len(segments) - 1)
    if pairs and sizes[-2] <= sizes[-1] and n_left[-2] + n_left[-1] <= LARGEST:
        return pairs[-1]
    for place in pairs:
        left = n_left[place] + n_left[place + 1]
        if left <= LARGEST and sizes[place] + sizes[place + 1] >= 2 * max(left, 1):
            return place
    if len(segments) > MOST_SEGMENTS:
        return min(pairs, key=lambda place: n_left[place] + n_left[place + 1])
    return None


def _merged(
    pair: list[Segment], later: list[Segment], folder: Path, _first: int, _last: int
) -> None:
    merge(pair, folder, later)


def _remove_strays(root: Path, chain: list[Path]) -> None:
    """Remove what processes that were killed while they wrote or merged have left."""
    for one in set(root.iterdir()).difference(chain) if root.is_dir() else ():
        shutil.rmtree(one, ignore_errors=True)


def _publish(root: Path, first: int, last: int, write: Writer) -> None:
    """Have a segment written under another name, so that it is there whole or not at all."""
    unfinished = root / f".{uuid4().hex}"
    try:
        write(unfinished, first, last)
        unfinished.rename(root / f"{first}-{last}")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _chain(root: Path, through: int) -> list[Path]:
    """Return the segments that follow on each other from a change on, the longest ones."""
    ends: dict[int, int] = {}
    if root.is_dir():
        for one in root.iterdir():
            first, dash, last = one.name.partition("-")
            if dash and first.isdigit() and last.isdigit():
                ends[int(first)] = max(int(last), ends.get(int(first), 0))
    found = []
    while through in ends:
        found.append(root / f"{through}-{ends[through]}")
        through = ends[through]
    return found


def _end(chain: list[Path], through: int) -> int:
    return int(chain[-1].name.partition("-")[2]) if chain else through


def _opened(held: Held, chain: list[Path]) -> list[Segment]:
    """Map the segments of a chain; none when one is damaged, and then all are removed.

    What is mapped here already is taken as it is, for its files may be damaged by now.
    """
    known = {one.folder: one for one in held.index.segments}
    try:
        return [known.get(folder) or Segment.open(folder) for folder in chain]
    except IndexDamaged as exc:
        logger.warning("changes of %s are read from the database again: %s", held.collection, exc)
        shutil.rmtree(chain[0].parent, ignore_errors=True)
        return []


def _adopt(held: Held, chain: list[Path]) -> bool:
    """Exchange the index for one with these segments; return whether they say anything new."""
    if _end(chain, held.through) <= _known(held):
        return False
    segments = _opened(held, chain)
    if not segments:
        return False
    index = held.index.with_segments(segments)
    fresh = replace(held, index=index, sequence=segments[-1].last)
    while fresh.sequence < held.sequence:
        changes.apply_next(fresh, held.sequence, BATCH)
    changes.apply_later(fresh, held.index.touched, BATCH)
    held.index = fresh.index
    held.sequence = fresh.sequence
    give_back()
    return True
