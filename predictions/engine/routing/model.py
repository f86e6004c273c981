"""The routing model as it is served: propose operations, work centres and times for an item.

NumPy only, so that a web process holds it without any training library.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import StepBook
from predictions.engine.routing.decision import (
    CHUNK,
    Confidence,
    Decider,
    Decision,
    Familiarity,
    level,
)
from predictions.engine.routing.encoding import Encoded, Floats
from predictions.engine.routing.explanation import KnownItems, explain
from predictions.engine.routing.problems import RoutingProblem
from predictions.engine.routing.proposal import (
    Alternative,
    Candidate,
    KnownStep,
    Plan,
    ProposedStep,
    RoutingProposal,
    Span,
)
from predictions.engine.routing.resources import Resources
from predictions.engine.routing.routings import to_days
from predictions.engine.routing.schema import FAMILY, ITEM_COLUMNS
from predictions.engine.routing.times import TimeModel
from predictions.engine.routing.validate import item_columns

DEFAULT_TOP_K = 5
MAX_TOP_K = 50
#: Sequence numbers of a proposed routing; plants leave room for operations in between.
SEQUENCE_STEP = 10


@dataclass(frozen=True)
class PlannedSteps:
    """Where and how long the steps of one routing are done.

    Attributes
    ----------
    places : intp array, shape [n]
        Numbers of the work centres.
    setup, run : float64 arrays, shape [n, 3]
        Lower end, median and upper end in minutes.
    """

    places: NDArray[np.intp]
    setup: NDArray[np.float64]
    run: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> "PlannedSteps":
        """Return room for n steps."""
        return cls(np.zeros(n, dtype=np.intp), np.zeros((n, 3)), np.zeros((n, 3)))


@dataclass(frozen=True)
class RoutingModel:
    """A trained routing model.

    Attributes
    ----------
    decider : Decider
        Chooses operations and their order.
    resources : Resources
        Chooses work centres.
    times : TimeModel
    familiarity : Familiarity
    confidence : Confidence
    known : KnownItems
        Codes and names of the training items.
    last_day : int
        Latest day of any training routing, in days since 1970-01-01.
    seed : int
    params : dict
        `TrainingParams.to_dict`.
    report : dict
        What training found out (see `training.train`).
    """

    decider: Decider
    resources: Resources
    times: TimeModel
    familiarity: Familiarity
    confidence: Confidence
    known: KnownItems
    last_day: int
    seed: int
    params: dict[str, Any]
    report: dict[str, Any]

    @property
    def steps(self) -> StepBook:
        """Work centres and times of the training items."""
        return self.resources.steps

    @property
    def signature(self) -> dict[str, Any]:
        """Inputs of the model, ready for JSON; every one may be null."""
        return {"family": FAMILY, "features": [column.to_dict() for column in ITEM_COLUMNS]}

    def propose(
        self, item: Mapping[str, object], top_k: int = DEFAULT_TOP_K, *, as_of: date | None = None
    ) -> RoutingProposal:
        """Propose a routing for an item.

        Parameters
        ----------
        item : mapping
            Item columns (see `schema.ITEM_COLUMNS`) and values; what is not known may be absent or
            null. Identifiers are accepted and not read.
        top_k : int
            Candidates wanted, 1 to `MAX_TOP_K`; out of bounds counts as the nearer bound.
        as_of : date or None
            Day of planning: decides which machines exist. By default the day the item was created,
            else the latest day in training.

        Raises
        ------
        ItemProblem
            Naming every unknown column and every value of wrong type or out of range.
        """
        columns = item_columns(item)
        encoded = self.decider.encoder.encode(columns)
        name = columns["item_name"][0]
        day = self._day(float(columns["created_on"][0]), as_of)
        return self.propose_encoded(encoded, name, day, min(max(top_k, 1), MAX_TOP_K))

    def propose_encoded(
        self, item: Encoded, name: str | None, day: int, top_k: int = DEFAULT_TOP_K
    ) -> RoutingProposal:
        """Propose a routing for an item that is encoded already (see `propose`)."""
        decision = self.decider.decide(item)
        (plan,) = self._plans(item, [decision], [day])
        return RoutingProposal(
            **vars(plan),
            candidates=self._candidates(decision, top_k),
            explanation=explain(self.decider, item, name, decision, self.known),
        )

    def plan_all(self, items: Encoded, days: Sequence[int]) -> Iterator[Plan]:
        """Decide on many items without giving reasons, several times faster than one by one.

        Parameters
        ----------
        items : Encoded
        days : sequence of int
            Day of planning of each, in days since 1970-01-01.
        """
        decisions = self.decider.decide_all(items)
        for start in range(0, len(items), CHUNK):
            part = slice(start, start + CHUNK)
            yield from self._plans(items.take(part), list(islice(decisions, CHUNK)), days[part])

    def step_times(
        self, design: Floats, decisions: Sequence[Decision], days: Sequence[int]
    ) -> list[PlannedSteps]:
        """Return work centres and times of the steps first ranked, for each item.

        Parameters
        ----------
        design : float32 array, shape [n, n_columns]
            The items.
        decisions : sequence of Decision
        days : sequence of int
        """
        found = [PlannedSteps.empty(len(one.ranked[0].steps)) for one in decisions]
        by_operation: dict[str, list[tuple[int, int]]] = {}
        for row, (decision, day) in enumerate(zip(decisions, days, strict=True)):
            for position, step in enumerate(decision.ranked[0].steps):
                found[row].places[position] = self.resources.choose(
                    step, decision.similarity, self.decider.sharpness, day
                )
                operation = self.decider.book.steps[step][0]
                by_operation.setdefault(operation, []).append((row, position))
        for operation, asked in by_operation.items():
            rows = np.array([row for row, _ in asked], dtype=np.intp)
            places = np.array([found[row].places[position] for row, position in asked])
            when = np.array([days[row] for row in rows], dtype=np.float32)
            times = self.times.predict(operation, design[rows], places, when)
            for (row, position), setup, run in zip(asked, times.setup, times.run, strict=True):
                found[row].setup[position], found[row].run[position] = setup, run
        return found

    def _plans(
        self, items: Encoded, decisions: Sequence[Decision], days: Sequence[int]
    ) -> Iterator[Plan]:
        refusals = [self._refusal(decision) for decision in decisions]
        chosen = [row for row, refusal in enumerate(refusals) if refusal is None]
        design = self.decider.encoder.design(items.take(np.array(chosen, dtype=np.intp)))
        times = iter(
            self.step_times(design, [decisions[row] for row in chosen], [days[r] for r in chosen])
        )
        for decision, refusal in zip(decisions, refusals, strict=True):
            routing = () if refusal is not None else self._routing(decision, next(times))
            best = decision.ranked[0]
            probability = self.confidence(best.weight, decision.familiarity) if routing else 0.0
            yield Plan(
                routing=routing,
                alternatives=self._alternatives(decision),
                probability=probability,
                confidence=level(probability) if routing else "none",
                familiarity=decision.familiarity,
                threshold=self.familiarity.threshold,
                total=self._total(routing) if routing else None,
                refusal=refusal,
            )

    def _day(self, created: float, as_of: date | None) -> int:
        if as_of is not None:
            return to_days(as_of)
        return self.last_day if np.isnan(created) else int(created)

    def _refusal(self, decision: Decision) -> RoutingProblem | None:
        threshold = self.familiarity.threshold
        if decision.familiarity >= threshold:
            return None
        params = {
            "value": f"{decision.familiarity:.3f}",
            "low": f"{threshold:.3f}",
            "share": f"{1 - self.familiarity.refused_share:.0%}",
        }
        return RoutingProblem("", "item_unfamiliar", params=params)

    def _routing(self, decision: Decision, planned: PlannedSteps) -> tuple[ProposedStep, ...]:
        steps = decision.ranked[0].steps
        return tuple(
            ProposedStep(
                (position + 1) * SEQUENCE_STEP,
                self.decider.book.steps[step][0],
                self.steps.work_centers[int(planned.places[position])],
                _span(planned.setup[position]),
                _span(planned.run[position]),
                float(decision.evidence.beliefs[step]),
                float(decision.frequency[step]),
            )
            for position, step in enumerate(steps)
        )

    def _alternatives(self, decision: Decision) -> tuple[Alternative, ...]:
        book = self.decider.book
        return tuple(
            Alternative(book.operations(one.steps), one.weight, one.is_repaired)
            for one in decision.ranked
        )

    def _total(self, routing: tuple[ProposedStep, ...]) -> Span:
        total = sum(step.setup.value + step.run.value for step in routing)
        low, high = self.times.total_margins
        return Span(total, total * low, total * high)

    def _candidates(self, decision: Decision, top_k: int) -> tuple[Candidate, ...]:
        """Return the most similar item of every distinct routing among the voters."""
        ballot = decision.evidence.ballot
        proposed = list(decision.ranked[0].steps)
        found: dict[int, Candidate] = {}
        for place, routing in enumerate(ballot.routings.tolist()):
            if routing in found or len(found) == top_k:
                continue
            row = int(ballot.voters.rows[place])
            found[routing] = Candidate(
                self.known.codes[row],
                self.known.names[row],
                float(ballot.voters.similarity[place]),
                float(ballot.weights[ballot.routings == routing].sum()),
                self._known_steps(row),
                self.decider.book.sequence(routing) == proposed,
            )
        return tuple(found.values())

    def _known_steps(self, item: int) -> tuple[KnownStep, ...]:
        rows = self.steps.rows(item)
        operations = self.decider.book.operations(
            self.decider.book.sequence(int(self.decider.book.item_routing[item]))
        )
        return tuple(
            KnownStep(int(sequence), operation, self.steps.work_centers[place], setup, run)
            for sequence, operation, place, setup, run in zip(
                self.steps.sequence[rows],
                operations,
                self.steps.work_center[rows].tolist(),
                self.steps.setup_minutes[rows].tolist(),
                self.steps.run_minutes[rows].tolist(),
                strict=True,
            )
        )


def _span(minutes: NDArray[np.float64]) -> Span:
    low, value, high = (float(one) for one in minutes)
    return Span(value, low, high)
