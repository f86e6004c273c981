"""Memory that a process no longer needs."""

import ctypes


def give_back() -> None:
    """Return freed memory to the system, which the allocator would keep for itself.

    Only glibc can; elsewhere nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
