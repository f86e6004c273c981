"""Write amplification by level, of a tree that grows from empty to a volume.

Leveled: each compaction out of level 0 takes ``trigger`` files and rewrites what the first sorted
level holds; that level then passes its surplus on, and every level below rewrites on average half
of what it may grow to. Universal: a byte is rewritten each time the runs before it have grown by
the trigger.

Sources: O'Neil and others, "The log-structured merge-tree" (1996); Dong and others, "Optimizing
Space Amplification in RocksDB" (2017); Dayan and others, "Monkey" (2017), for tiered merging.
"""

import math
from dataclasses import dataclass

from tuning.engine.putrate.inputs import PutInputs


@dataclass(frozen=True)
class LevelCost:
    """Bytes that a level writes and reads per byte that is flushed."""

    name: str
    written: float
    read: float


def by_level(given: PutInputs, flushed_bytes: float) -> tuple[LevelCost, ...]:
    """Return the cost of each level of a tree that took so many flushed (compressed) bytes."""
    flush = LevelCost("L0", 1.0, 0.0)
    batch = given.l0_trigger * given.file_bytes
    n_batches = flushed_bytes / batch
    if n_batches < 1.0:
        return (flush,)
    if given.is_universal:
        merges = 1.0 + math.log(max(n_batches, 1.0)) / math.log(max(given.l0_trigger, 2.0))
        return (flush, LevelCost("runs", merges, merges))
    base = min(1.0 + (n_batches - 1.0) / 2.0, 1.0 + given.level_base_bytes / batch)
    levels = [flush, LevelCost("base", base, base)]
    size, below = given.level_base_bytes, 1
    while size < flushed_bytes and below < 6:
        filled = min((flushed_bytes - size) / size, given.multiplier)
        passed = 1.0 - size / flushed_bytes
        cost = passed * (1.0 + filled / 2.0)
        levels.append(LevelCost(f"base+{below}", cost, cost))
        size, below = size * given.multiplier, below + 1
    return tuple(levels)


def write_amplification(given: PutInputs, flushed_bytes: float) -> float:
    """Return bytes written by flushes and compactions per byte flushed."""
    return sum(level.written for level in by_level(given, flushed_bytes))
