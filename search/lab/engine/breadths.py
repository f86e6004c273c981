"""The least breadth of a graph search that reaches a recall, found on questions of its own.

Choosing and proving use different questions, see `measuring.questions`.
"""

from collections.abc import Callable, Sequence

from search.lab.engine.statistics import Figure

#: Breadths that are tried, about a fifth apart: finer steps move latency less than its interval.
BREADTHS = (
    10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024,
)  # fmt: skip


def least_breadth(
    recall: Callable[[int], Figure], target: float, breadths: Sequence[int] = BREADTHS
) -> tuple[int, Figure] | None:
    """Return the least breadth whose recall surely reaches a target, and that recall.

    Surely: the lower end of its 95 % interval does. Recall is taken to grow with the breadth; what
    is returned was measured itself. Questions show no more than so many can: 500
    without a miss show 0.998, see `statistics.recall`.
    """
    low, high = 0, len(breadths) - 1
    found = recall(breadths[high])
    if found.low < target:
        return None
    chosen = (breadths[high], found)
    while low < high:
        middle = (low + high) // 2
        found = recall(breadths[middle])
        if found.low >= target:
            chosen, high = (breadths[middle], found), middle
        else:
            low = middle + 1
    return chosen
