"""The measured process as its parent sees it: started, listened to, and ended whatever happens."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tuning
from tuning.engine.problems import RefusedByEngine, TargetLost

_WORKER = "tuning.engine.rocksdb.worker"
_ROOT = Path(tuning.__file__).resolve().parents[1]
#: A listener is given a turn at least this often.
TURN_S = 0.5
#: A process that says nothing for so long hangs; a put on a held device may stop for a minute.
STUCK_S = 300.0
_WAIT_S = 10.0
_TAIL_BYTES = 2_000


class Worker:
    """One measured process, for a ``with`` block.

    Parameters
    ----------
    stuck_s : float
        Silence after which it is taken for hung.
    """

    def __init__(self, stuck_s: float = STUCK_S) -> None:
        self._stuck_s = stuck_s
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, line: str) -> None:
        """Write one line to it; a process that is gone is noticed by `events`."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield what it says until it is done, and ``{"event": "turn"}`` when it is silent.

        Raises
        ------
        TargetLost
            If it dies or hangs before it is done.
        RefusedByEngine
            If the engine refused the options.
        """
        heard = time.monotonic()
        while True:
            lines = self._read(TURN_S)
            if lines is None:
                raise TargetLost("target_lost", target="RocksDB", reason=self._cause())
            if not lines:
                if time.monotonic() - heard > self._stuck_s:
                    raise TargetLost("target_stuck", target="RocksDB", value=round(self._stuck_s))
                yield {"event": "turn"}
                continue
            heard = time.monotonic()
            for line in lines:
                event = json.loads(line)
                if event["event"] == "refused":
                    raise RefusedByEngine(event["message"])
                yield event
                if event["event"] == "done":
                    return

    def end(self) -> None:
        """Kill it if it still runs, and let go of its pipes."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(_WAIT_S)
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                _close(pipe)

    def _read(self, wait_s: float) -> list[bytes] | None:
        """Return whole lines said within some time; None at the end of its output."""
        output = self._process.stdout
        if output is None or not select.select([output], [], [], wait_s)[0]:
            return []
        piece = os.read(output.fileno(), 1 << 16)
        if not piece:
            return None
        *lines, self._pending = (self._pending + piece).split(b"\n")
        return lines

    def _cause(self) -> str:
        code = self._process.wait(_WAIT_S)
        self._stderr.seek(0)
        said = self._stderr.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else ""
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"{how}: {last}" if last else how


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return
