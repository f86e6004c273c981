"""The passages themselves, in a file read by mmap: row number to passage in microseconds."""

import mmap
from array import array
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from search.engine.files import mapped
from search.engine.passages import Passage

DATA = "passages.bin"
STARTS = "passages.npy"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Passage)


def encoded(passage: Passage) -> bytes:
    """Return a passage as it is kept."""
    return _encoder.encode(passage)


class RecordWriter:
    """Appends passages; a row is the ordinal of its passage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream = (folder / DATA).open("wb")
        self._starts = array("Q", [0])

    def add(self, passage: Passage) -> int:
        """Append a passage and return its row."""
        return self.append(encoded(passage))

    def append(self, data: bytes) -> int:
        """Append what `Records.raw` or `encoded` gave and return its row."""
        self._stream.write(data)
        self._starts.append(self._starts[-1] + len(data))
        return len(self._starts) - 2

    def close(self) -> None:
        """Finish both files."""
        self._stream.close()
        np.save(self._folder / STARTS, np.frombuffer(self._starts, dtype=np.uint64))


class Records:
    """The passages of an index."""

    def __init__(
        self, data: mmap.mmap | bytes, starts: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
    ) -> None:
        self._data = data
        self._starts = starts

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files of a folder."""
        starts = mapped(folder / STARTS)
        if len(starts) < 2:  # an empty file cannot be mapped
            return cls(b"", starts)
        with (folder / DATA).open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(data, starts)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int) -> Passage:
        return _decoder.decode(self.raw(row))

    def raw(self, row: int) -> bytes:
        """Return a passage as it is kept."""
        start, stop = self._starts[row : row + 2].tolist()
        return self._data[start:stop]
