"""Tokens as 32-bit numbers, so that no vocabulary of texts is ever held or stored."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Remembered numbers; forgotten all at once when there are more, so that memory stays bounded.
_MAX_REMEMBERED = 1 << 20

TokenIds = NDArray[np.uint32]


class TokenNumbers:
    """Numbers tokens by CRC-32: among 100,000 tokens about one pair shares a number."""

    def __init__(self) -> None:
        self._remembered: dict[str, int] = {}

    def of(self, tokens: Sequence[str]) -> TokenIds:
        """Return the numbers of some tokens."""
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered = {}
        known = self._remembered
        for token in tokens:
            if token not in known:
                known[token] = zlib.crc32(token.encode())
        return np.array([known[token] for token in tokens], dtype=np.uint32)
