"""What the machine that serves the pages does at the moment."""

import os
import shutil
from dataclasses import dataclass

import psutil
from django.conf import settings


@dataclass(frozen=True)
class Load:
    """How busy a machine is.

    Attributes
    ----------
    average : float
        Processes that ran or waited, over the last minute.
    n_cores : int
    used_bytes, memory_bytes, free_bytes : int
        Memory in use and in all, and what the disk of the state folder has left.
    """

    average: float
    n_cores: int
    used_bytes: int
    memory_bytes: int
    free_bytes: int


def now() -> Load:
    """Return how busy this machine is."""
    memory = psutil.virtual_memory()
    return Load(
        os.getloadavg()[0],
        os.cpu_count() or 1,
        memory.total - memory.available,
        memory.total,
        shutil.disk_usage(settings.HOME).free,
    )
