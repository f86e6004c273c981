"""Lend a stream to a library that would close it."""

from typing import BinaryIO


class KeptOpen:
    """Lends a stream to a reader that would close it."""

    closed = False
    mode = "rb"

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def close(self) -> None:
        """Leave the stream to its owner."""
