"""Freed memory given back to the system."""

import psutil

from portal.lib.memory import give_back


def test_freed_memory_is_no_longer_the_process_s() -> None:
    process = psutil.Process()
    held = [bytes(1000) for _number in range(200_000)]
    full = process.memory_info().rss
    del held
    give_back()
    assert process.memory_info().rss < full - 100_000_000
