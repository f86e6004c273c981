"""The measured processes of tests."""

import psutil

_WORKER = "tuning.engine.rocksdb.worker"


def engines(pid: int) -> list[psutil.Process]:
    """Return the measured processes under a worker."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if _WORKER in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
