"""Token numbers of all passages of a build, on disk until the vectors are made."""

from array import array
from pathlib import Path

import numpy as np

from search.engine.tokenids import TokenIds

_NUMBERS = "tokens.bin"
_STARTS = "starts.npy"


class TokenSpill:
    """Writes the numbers of one passage after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream = (folder / _NUMBERS).open("wb")
        self._starts = array("Q", [0])

    @property
    def n_tokens(self) -> int:
        return self._starts[-1]

    def add(self, numbers: TokenIds) -> None:
        self._stream.write(numbers.tobytes())
        self._starts.append(self._starts[-1] + len(numbers))

    def close(self) -> None:
        self._stream.close()
        np.save(self._folder / _STARTS, np.frombuffer(self._starts, dtype=np.uint64))


class SpilledTokens:
    """Reads the spilled numbers by row."""

    def __init__(self, folder: Path) -> None:
        self._starts = np.load(folder / _STARTS, mmap_mode="r", allow_pickle=False)
        size = int(self._starts[-1])
        path = folder / _NUMBERS
        self._numbers: TokenIds = (
            np.memmap(path, dtype=np.uint32, mode="r") if size else np.empty(0, np.uint32)
        )

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int) -> TokenIds:
        return self._numbers[int(self._starts[row]) : int(self._starts[row + 1])]
