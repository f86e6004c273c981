"""The process that is measured: ``python -m tuning.engine.rocksdb.worker``.

It reads one JSON line with the trial from its standard input, answers with one JSON object a line
and ends with ``done`` or ``refused``. A further line ``stop`` ends the load early. It dies with
the process that started it.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tuning.engine.rocksdb import counters
from tuning.engine.rocksdb.load import Load, Tally, device_write_bytes, folder_bytes
from tuning.engine.rocksdb.opening import database
from tuning.engine.rocksdb.stream import Stream

_PR_SET_PDEATHSIG = 1
#: A phase is told this often, and whenever it changes.
_TELL_EVERY_S = 0.25


class Speaker:
    """Writes events to standard output, phases not more often than needed."""

    def __init__(self) -> None:
        self._phase, self._at = "", 0.0

    def tell(self, event: str, **values: object) -> None:
        """Write one event as a line of JSON."""
        if event == "phase":
            now = time.perf_counter()
            if values["phase"] == self._phase and now - self._at < _TELL_EVERY_S:
                return
            self._phase, self._at = str(values["phase"]), now
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Run one trial."""
    _die_with(os.getppid())
    plan = json.loads(sys.stdin.readline())
    speaker = Speaker()
    parameters = plan["parameters"]
    folder = Path(plan["folder"])
    try:
        opened, made = database(folder, plan["configuration"], wal=parameters["wal"])
    except Exception as exc:  # noqa: BLE001 - rocksdict raises plain exceptions for every refusal
        speaker.tell("refused", message=str(exc))
        return
    load = Load(opened, made, parameters, speaker.tell, _stop_asked)
    stream = Stream(parameters, plan["seed"])
    load.preload(stream)
    before = counters.reported(made.get_statistics() or "")
    cpu_before, io_before = _cpu_s(), device_write_bytes()
    speaker.tell("phase", phase="load", fraction=0.0)
    seconds = plan["seconds"]
    tally = load.run(stream, seconds, seconds * parameters["warmup"])
    cpu_loaded = _cpu_s() - cpu_before
    drain_s, debt, left = load.drain(float(parameters["drain_limit"]))
    text = made.get_statistics() or ""
    answer = _answer(tally)
    answer |= {
        "drain_s": drain_s,
        "debt_bytes": debt,
        "debt_left_bytes": left,
        "counters": counters.grown(before, counters.reported(text)),
        "cpu_load_s": cpu_loaded,
        "cpu_s": _cpu_s() - cpu_before,
        "device_write_bytes": device_write_bytes() - io_before,
        "space_bytes": opened.property_int_value("rocksdb.live-sst-files-size") or 0,
        "folder_bytes": folder_bytes(folder),
        "statistics": text,
        "stats": opened.property_value("rocksdb.stats") or "",
    }
    opened.close()
    speaker.tell("done", **answer)


def _answer(tally: Tally) -> dict[str, Any]:
    return {
        "seconds": tally.seconds,
        "n_puts": tally.n_puts,
        "put_bytes": tally.put_bytes,
        "longest_s": tally.longest_ns / 1e9,
        "per_second": tally.per_second,
        "done": {name: sorted(one.items()) for name, one in tally.done.items()},
        "histograms": {name: one.tolist() for name, one in tally.counts.items()},
    }


def _stop_asked() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0]) and sys.stdin.readline() in ("", "stop\n")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent is gone.")


if __name__ == "__main__":
    main()
