"""The routing model as it is served: propose operations, work centres and times for an item.

NumPy only, so that a web process holds it without any training library.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import StepBook
from predictions.engine.routing.decision import (
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
        best = decision.ranked[0]
        refusal = self._refusal(decision)
        routing: tuple[ProposedStep, ...] = ()
        if refusal is None:
            routing = self._routing(item, decision, day)
        probability = self.confidence(best.weight, decision.familiarity) if routing else 0.0
        return RoutingProposal(
            routing=routing,
            candidates=self._candidates(decision, top_k),
            alternatives=tuple(
                Alternative(self.decider.book.operations(one.steps), one.weight, one.is_repaired)
                for one in decision.ranked
            ),
            explanation=explain(self.decider, item, name, decision, self.known),
            probability=probability,
            confidence=level(probability) if routing else "none",
            familiarity=decision.familiarity,
            threshold=self.familiarity.threshold,
            total=self._total(routing) if routing else None,
            refusal=refusal,
        )

    def step_times(
        self, design: Floats, steps: Iterable[int], decision: Decision, day: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Return work centre numbers [n], setup spans [n, 3] and run spans [n, 3] of some steps."""
        places, setups, runs = [], [], []
        for step in steps:
            place = self.resources.choose(step, decision.similarity, self.decider.sharpness, day)
            operation = self.decider.book.steps[step][0]
            when = np.array([day], dtype=np.float32)
            found = self.times.predict(operation, design, np.array([place]), when)
            places.append(place)
            setups.append(found.setup[0])
            runs.append(found.run[0])
        return np.array(places, dtype=np.intp), np.array(setups), np.array(runs)

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

    def _routing(self, item: Encoded, decision: Decision, day: int) -> tuple[ProposedStep, ...]:
        steps = decision.ranked[0].steps
        design = self.decider.encoder.design(item)
        places, setups, runs = self.step_times(design, steps, decision, day)
        return tuple(
            ProposedStep(
                (position + 1) * SEQUENCE_STEP,
                self.decider.book.steps[step][0],
                self.steps.work_centers[int(places[position])],
                _span(setups[position]),
                _span(runs[position]),
                float(decision.evidence.beliefs[step]),
                float(decision.frequency[step]),
            )
            for position, step in enumerate(steps)
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
