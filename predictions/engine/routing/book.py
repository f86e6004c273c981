"""The routings a model knows, as numbers: distinct sequences and the steps of every item.

Operations are numbered as steps: the second grinding of a routing is another step than the first.
NumPy only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.routings import Routing, tokens

ABSENT = -1
Step = tuple[str, int]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class RoutingBook:
    """Distinct sequences of steps, and which item has which.

    Attributes
    ----------
    steps : tuple of (operation, occurrence)
        Every step, by number.
    sequences : int16 array, shape [n_routings, n_longest]
        Step numbers in order, `ABSENT` behind the last.
    item_routing : int32 array, shape [n_items]
        Row of `sequences` for every item.
    """

    steps: tuple[Step, ...]
    sequences: NDArray[np.int16]
    item_routing: Ints

    @property
    def n_steps(self) -> int:
        """How many different steps there are."""
        return len(self.steps)

    @cached_property
    def positions(self) -> NDArray[np.int16]:
        """Place of every step in every sequence, `ABSENT` if it has none; [n_routings, n_steps]."""
        places = np.full((len(self.sequences), self.n_steps), ABSENT, dtype=np.int16)
        row, place = np.nonzero(self.sequences >= 0)
        places[row, self.sequences[row, place]] = place
        return places

    @cached_property
    def contents(self) -> Bools:
        """Which steps every sequence has; shape [n_routings, n_steps]."""
        return self.positions >= 0

    @cached_property
    def known_sets(self) -> frozenset[bytes]:
        """The sets of steps that occur at all."""
        return frozenset(line.tobytes() for line in self.contents)

    def presence(self) -> Bools:
        """Return which steps every item has; shape [n_items, n_steps]."""
        return self.contents[self.item_routing]

    def sequence(self, routing: int) -> list[int]:
        """Return the step numbers of one sequence."""
        line = self.sequences[routing]
        return [int(step) for step in line[line >= 0]]

    def operations(self, steps: Iterable[int]) -> tuple[str, ...]:
        """Return the operations behind step numbers."""
        return tuple(self.steps[step][0] for step in steps)


@dataclass(frozen=True)
class StepBook:
    """Work centres and times of every item's steps.

    Attributes
    ----------
    offsets : int64 array, shape [n_items + 1]
        Steps of item i stand in rows ``offsets[i]:offsets[i + 1]``, in order.
    work_centers : tuple of str
        By number.
    work_center : int32 array, shape [n_rows]
    setup_minutes, run_minutes : float32 arrays, shape [n_rows]
    sequence : int32 array, shape [n_rows]
        Numbers as in the routing table.
    valid_from : int32 array, shape [n_items]
        Days since 1970-01-01.
    """

    offsets: NDArray[np.int64]
    work_centers: tuple[str, ...]
    work_center: Ints
    setup_minutes: NDArray[np.float32]
    run_minutes: NDArray[np.float32]
    sequence: Ints
    valid_from: Ints

    def rows(self, item: int) -> slice:
        """Return where the steps of an item stand."""
        return slice(int(self.offsets[item]), int(self.offsets[item + 1]))


def make_books(routings: Sequence[Routing]) -> tuple[RoutingBook, StepBook]:
    """Return the books of one routing for each item, in order of items."""
    marked = [tokens(routing.operations) for routing in routings]
    steps = tuple(sorted({step for line in marked for step in line}))
    number = {step: index for index, step in enumerate(steps)}
    distinct: dict[tuple[int, ...], int] = {}
    lines = [tuple(number[step] for step in line) for line in marked]
    chosen = [distinct.setdefault(line, len(distinct)) for line in lines]
    longest = max((len(line) for line in distinct), default=0)
    sequences = np.full((len(distinct), longest), ABSENT, dtype=np.int16)
    for known, row in distinct.items():
        sequences[row, : len(known)] = known
    book = RoutingBook(steps, sequences, np.array(chosen, dtype=np.int32))
    return book, _step_book(routings)


def _step_book(routings: Sequence[Routing]) -> StepBook:
    places = sorted({place for routing in routings for place in routing.work_centers})
    number = {place: index for index, place in enumerate(places)}
    lengths = [len(routing.operations) for routing in routings]
    return StepBook(
        offsets=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        work_centers=tuple(places),
        work_center=np.array([number[p] for r in routings for p in r.work_centers], dtype=np.int32),
        setup_minutes=_joined([routing.setup_minutes for routing in routings]),
        run_minutes=_joined([routing.run_minutes for routing in routings]),
        sequence=np.array([s for r in routings for s in r.sequences], dtype=np.int32),
        valid_from=np.array([routing.valid_from for routing in routings], dtype=np.int32),
    )


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    return np.concatenate(parts).astype(np.float32)


def group_members(groups: NDArray[np.integer]) -> Mapping[int, NDArray[np.intp]]:
    """Return for every group the rows in it."""
    order = np.argsort(groups, kind="stable")
    names, starts = np.unique(groups[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
