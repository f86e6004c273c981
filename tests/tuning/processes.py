"""The measured processes of tests."""

import psutil

_WORKER = "tuning.engine.rocksdb.worker"


def engines(pid: int) -> list[psutil.Process]:
    """Return the measured processes under a worker."""
    found = []
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:  # the supervisor replaces it
        return []
    for child in children:
        try:
            if _WORKER in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
