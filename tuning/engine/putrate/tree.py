"""The sizes of a tree while compactions run: which bytes the next one writes.

Level: all files of level 0 are merged with the whole first sorted level; what that level then
holds beyond its target goes on with the share of the next level that it overlaps. Universal: runs
from the newest on are merged while the next one is no larger than all before it; when there are
still too many runs the newest are merged whatever their sizes; everything is merged when all newer
runs together exceed twice the oldest.

Sources: RocksDB wiki, "Leveled Compaction" and "Universal Compaction".
"""

from dataclasses import dataclass, field

from tuning.engine.putrate.inputs import PutInputs

#: RocksDB's default max_size_amplification_percent and size_ratio.
SIZE_AMPLIFICATION = 2.0
SIZE_RATIO = 1.01
_MAX_LEVELS = 6


@dataclass
class Tree:
    """Sizes in compressed bytes.

    Attributes
    ----------
    runs : list of float
        Files of level 0 and, for universal, merged runs; the newest first.
    levels : list of float
        Sorted levels, the first one first.
    """

    given: PutInputs
    runs: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=lambda: [0.0] * _MAX_LEVELS)

    def flushed(self, size: float) -> None:
        """Take a file into level 0."""
        self.runs.insert(0, size)

    def next_compaction(self) -> float:
        """Reshape the tree by the next compaction and return the bytes it writes; 0 for none."""
        if len(self.runs) < self.given.l0_trigger:
            return 0.0 if self.given.is_universal else self._passed_on()
        return self._merged() if self.given.is_universal else self._levelled()

    def _levelled(self) -> float:
        taken = sum(self.runs)
        self.runs = []
        written = taken + self.levels[0]
        self.levels[0] += taken
        return written

    def _passed_on(self) -> float:
        """Move the surplus of the first level that has one."""
        target = self.given.level_base_bytes
        for place, size in enumerate(self.levels[:-1]):
            surplus = size - target
            if surplus > 0.05 * target:
                overlapped = self.levels[place + 1] * surplus / size
                self.levels[place] = target
                self.levels[place + 1] += surplus
                # Into an empty level files are moved without being written.
                return surplus + overlapped if overlapped else 0.0
            target *= self.given.multiplier
        return 0.0

    def _merged(self) -> float:
        newer = sum(self.runs[:-1])
        if newer > SIZE_AMPLIFICATION * self.runs[-1]:
            return self._joined(len(self.runs))
        n_taken, size = 1, self.runs[0]
        while n_taken < len(self.runs) and self.runs[n_taken] <= SIZE_RATIO * size:
            size += self.runs[n_taken]
            n_taken += 1
        if n_taken < 2:
            n_taken = len(self.runs) - int(self.given.l0_trigger) + 2
        return self._joined(max(2, min(n_taken, len(self.runs))))

    def _joined(self, n_runs: int) -> float:
        size = sum(self.runs[:n_runs])
        self.runs[:n_runs] = [size]
        return size
