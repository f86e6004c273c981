"""The taxonomy as a tree that a page can draw."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

#: Paths beyond this are left out of a page; filters in the address still reach them. Ours.
MOST_PATHS = 2_000


@dataclass
class Node:
    """One step of the taxonomy.

    Attributes
    ----------
    n
        Documents at this step and below it.
    is_open
        Whether what was chosen lies here or below.
    """

    name: str
    path: str
    n: int = 0
    is_open: bool = False
    is_chosen: bool = False
    children: list["Node"] = field(default_factory=list)


def grow(counted: Iterable[tuple[str, int]], chosen: str = "") -> list[Node]:
    """Return the tree of paths and how many documents lie exactly at each.

    Steps stand in the order of their names; what has no path is left out.
    """
    roots: list[Node] = []
    by_path: dict[str, Node] = {}
    for path, n in sorted(counted)[:MOST_PATHS]:
        siblings = roots
        for step, name in _steps(path):
            node = by_path.get(step)
            if node is None:
                node = by_path[step] = Node(name, step)
                node.is_chosen = step == chosen
                node.is_open = chosen == step or chosen.startswith(f"{step}/")
                siblings.append(node)
            node.n += n
            siblings = node.children
    return roots


def trail(path: str) -> list[tuple[str, str]]:
    """Return each step of a path as address and name."""
    return list(_steps(path))


def _steps(path: str) -> Iterator[tuple[str, str]]:
    whole = ""
    for name in filter(None, path.split("/")):
        whole = f"{whole}/{name}" if whole else name
        yield whole, name
