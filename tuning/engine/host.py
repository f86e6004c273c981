"""What the machine does meanwhile: processors busy with others, and what it is.

Source: proc(5). Elsewhere than on Linux the readings are zero and say so by ``known``.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT = Path("/proc/stat")
#: Additions in a turn of the loop that tells how fast a thread is.
_SPIN = 1_000


@dataclass(frozen=True)
class Reading:
    """Processor time since boot.

    Attributes
    ----------
    at_s : float
        On the clock of `time.perf_counter`.
    busy_s : float
        Of all processors together; time stolen by the host machine counts as busy.
    """

    at_s: float
    busy_s: float
    known: bool = True


def reading() -> Reading:
    """Read how long the processors were busy since boot."""
    at = perf_counter()
    try:
        fields = [int(one) for one in _STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return Reading(at, 0.0, known=False)
    user, nice, system, _idle, _wait, irq, soft_irq, steal = fields
    return Reading(at, (user + nice + system + irq + soft_irq + steal) / _TICKS)


def process_cpu_s(pid: int) -> float:
    """Return the processor time that a process used, its threads included; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def foreign_load(before: Reading, after: Reading, own_cpu_s: float) -> float:
    """Return how many processors others kept busy on average between two readings."""
    elapsed = after.at_s - before.at_s
    if elapsed <= 0 or not (before.known and after.known):
        return 0.0
    return max(0.0, (after.busy_s - before.busy_s - own_cpu_s) / elapsed)


def spin_ns(seconds: float = 0.3) -> float:
    """Return the wall time that one turn of a fixed loop takes now, on a machine as busy as it is.

    What a single thread gets of the processors at this moment; rises with foreign load.
    """
    turns, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        sum(range(_SPIN))
        turns += 1
    return 1e9 * (perf_counter() - started) / max(turns, 1)


def describe() -> dict[str, Any]:
    """Return what the machine is."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count() or 1,
        "load_average": list(os.getloadavg()),
    }
