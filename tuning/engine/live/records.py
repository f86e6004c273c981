"""Records written as the write-ahead log and the flushes tell them, where nothing counts them."""

from collections import deque
from dataclasses import dataclass

from tuning.engine.live.activity import Activity
from tuning.engine.live.folder import Folder, Look

#: Bytes of a record in the log beyond those in a write buffer, where each is put by itself: 7 and
#: 12 of headers and a tag, less 8 of the internal key (``db/log_format.h``, ``write_batch.cc``).
MORE_IN_LOG = 12
#: Flushes come in lumps; rates are taken over so many seconds. Ours.
OVER_S, FLUSHES_OVER_S = 5.0, 60.0


@dataclass(frozen=True)
class _Stand:
    at_s: float
    n_flushed: int
    wal_bytes: int
    wal_grown_bytes: int


class Records:
    """Estimates the rate of puts from outside.

    What was put is what was flushed and what still is in write buffers, and that stands in the log
    until it is flushed. With several column families a file of the log outlives the flush of one of
    them, and the growth of its files is taken instead.
    """

    def __init__(self) -> None:
        self._stands: deque[_Stand] = deque()
        self._has_log = False

    def note(self, now_s: float, look: Look, seen: Activity) -> None:
        """Take where log and flushes stand."""
        if not look.is_fresh:
            return
        stand = _Stand(now_s, seen.n_flushed, look.wal_bytes, look.wal_grown_bytes)
        self._has_log = self._has_log or look.wal_bytes > 0
        self._stands.append(stand)
        while self._stands[0].at_s < now_s - FLUSHES_OVER_S:
            self._stands.popleft()

    def clear(self) -> None:
        """Forget what was before a pause."""
        self._stands.clear()

    def rate(self, folder: Folder, seen: Activity) -> tuple[str, float | None]:
        """Return the source and the records a second; None where nothing can be said."""
        if not self._stands:
            return "", None
        if not (self._has_log and folder.is_wal_told):
            return "flush", self._flushed()
        if not seen.n_flushed:
            return "", None
        now = self._stands[-1]
        since = next(one for one in self._stands if one.at_s >= now.at_s - OVER_S)
        seconds = now.at_s - since.at_s
        if seconds <= 0:
            return "", None
        record = seen.flushed_input_bytes / seen.n_flushed + MORE_IN_LOG
        if folder.is_one_family:
            n_buffered = (now.wal_bytes - since.wal_bytes) / record
            written = now.n_flushed - since.n_flushed + n_buffered
        else:
            written = (now.wal_grown_bytes - since.wal_grown_bytes) / record
        return "wal", max(0.0, written / seconds)

    def _flushed(self) -> float | None:
        first, last = self._stands[0], self._stands[-1]
        seconds = last.at_s - first.at_s
        if seconds < FLUSHES_OVER_S / 2:
            return None
        return (last.n_flushed - first.n_flushed) / seconds
