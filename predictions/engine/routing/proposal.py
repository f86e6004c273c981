"""What a planner gets: the proposed routing, candidates, reasons, or a refusal with its reason."""

from dataclasses import dataclass
from typing import Any

from predictions.engine.problems import Problem


@dataclass(frozen=True)
class Span:
    """A number of minutes with the interval that four in five actual values fall into."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ProposedStep:
    """One step of the proposed routing.

    Attributes
    ----------
    sequence : int
    operation, work_center : str
    setup, run : Span
        Minutes a lot, minutes a piece.
    belief : float
        Probability that the item has this step.
    agreement : float
        Share of the neighbours' votes for it.
    """

    sequence: int
    operation: str
    work_center: str
    setup: Span
    run: Span
    belief: float
    agreement: float

    def to_dict(self) -> dict[str, Any]:
        """Return the step ready for JSON."""
        return {
            "sequence": self.sequence,
            "operation": self.operation,
            "work_center": self.work_center,
            "setup_minutes": round(self.setup.value, 2),
            "run_minutes": round(self.run.value, 3),
            "setup_interval": [round(self.setup.low, 2), round(self.setup.high, 2)],
            "run_interval": [round(self.run.low, 3), round(self.run.high, 3)],
            "belief": round(self.belief, 4),
            "agreement": round(self.agreement, 4),
        }


@dataclass(frozen=True)
class KnownStep:
    """One step of a known item's routing, as the routing table has it."""

    sequence: int
    operation: str
    work_center: str
    setup_minutes: float
    run_minutes: float

    def to_dict(self) -> dict[str, Any]:
        """Return the step ready for JSON."""
        return {
            "sequence": self.sequence,
            "operation": self.operation,
            "work_center": self.work_center,
            "setup_minutes": round(self.setup_minutes, 2),
            "run_minutes": round(self.run_minutes, 3),
        }


@dataclass(frozen=True)
class Candidate:
    """The most similar item among those with one routing.

    Attributes
    ----------
    item_code, item_name : str
    similarity : float
        Between 0 and 1.
    share : float
        Share of the votes for this set of operations.
    routing : tuple of KnownStep
    is_proposed : bool
        Whether its operations are the proposed ones.
    """

    item_code: str
    item_name: str
    similarity: float
    share: float
    routing: tuple[KnownStep, ...]
    is_proposed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate ready for JSON."""
        return {
            "item_code": self.item_code,
            "item_name": self.item_name,
            "similarity": round(self.similarity, 4),
            "share": round(self.share, 4),
            "is_proposed": self.is_proposed,
            "routing": [step.to_dict() for step in self.routing],
        }


@dataclass(frozen=True)
class MatchedFeature:
    """What one field adds to the similarity of the neighbours, weighted by their votes.

    Attributes
    ----------
    field : str
    label_en, label_ko : str
    value : str, float or None
        Of the item asked about.
    nearest_value : str, float or None
        Of the most similar item.
    contribution : float
        Part of the similarity; over all fields these sum to the similarity.
    possible : float
        What it would add for an equal value.
    """

    field: str
    label_en: str
    label_ko: str
    value: str | float | None
    nearest_value: str | float | None
    contribution: float
    possible: float

    def to_dict(self) -> dict[str, Any]:
        """Return the field ready for JSON."""
        return {
            "field": self.field,
            "label_en": self.label_en,
            "label_ko": self.label_ko,
            "value": self.value,
            "nearest_value": self.nearest_value,
            "contribution": round(self.contribution, 5),
            "possible": round(self.possible, 5),
        }


@dataclass(frozen=True)
class AssumedFeature:
    """What was taken for an empty cell, because similar items have it.

    Attributes
    ----------
    field, label_en, label_ko : str
    value : str or float
    share : float
        Of the votes: for this value of a category, for any value of a number.
    """

    field: str
    label_en: str
    label_ko: str
    value: str | float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the field ready for JSON."""
        return {
            "field": self.field,
            "label_en": self.label_en,
            "label_ko": self.label_ko,
            "value": self.value,
            "share": round(self.share, 4),
        }


@dataclass(frozen=True)
class SupportingItem:
    """A neighbour and what its vote counted."""

    item_code: str
    item_name: str
    similarity: float
    vote: float
    agrees: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the neighbour ready for JSON."""
        return {
            "item_code": self.item_code,
            "item_name": self.item_name,
            "similarity": round(self.similarity, 4),
            "vote": round(self.vote, 4),
            "agrees": self.agrees,
        }


@dataclass(frozen=True)
class Disagreement:
    """A step that neighbours or beliefs do not agree on.

    Attributes
    ----------
    operation : str
    is_proposed : bool
    agreement : float
        Share of the votes that decide as the proposal does.
    belief : float
        Probability of the step.
    item_codes : tuple of str
        The most similar items that decide otherwise.
    """

    operation: str
    is_proposed: bool
    agreement: float
    belief: float
    item_codes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the step ready for JSON."""
        return {
            "operation": self.operation,
            "is_proposed": self.is_proposed,
            "agreement": round(self.agreement, 4),
            "belief": round(self.belief, 4),
            "item_codes": list(self.item_codes),
        }


@dataclass(frozen=True)
class Alternative:
    """Another routing that was considered, with its likelihood."""

    operations: tuple[str, ...]
    weight: float
    is_repaired: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the routing ready for JSON."""
        return {
            "operations": list(self.operations),
            "weight": round(self.weight, 4),
            "is_repaired": self.is_repaired,
        }


@dataclass(frozen=True)
class Explanation:
    """Why this routing.

    Attributes
    ----------
    matched_features : tuple of MatchedFeature
        What was compared, the largest contribution first; the contributions of all fields sum to
        `similarity`.
    differing_features : tuple of MatchedFeature
        Where most similarity was lost.
    similarity : float
        Of the neighbours, weighted by their votes.
    items : tuple of SupportingItem
    disagreements : tuple of Disagreement
    is_repaired : bool
        Whether no neighbour has exactly the proposed operations.
    assumed_features : tuple of AssumedFeature
        What the beliefs about steps took for empty cells, the surest first.
    """

    matched_features: tuple[MatchedFeature, ...]
    differing_features: tuple[MatchedFeature, ...]
    similarity: float
    items: tuple[SupportingItem, ...]
    disagreements: tuple[Disagreement, ...]
    is_repaired: bool
    assumed_features: tuple[AssumedFeature, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation ready for JSON."""
        return {
            "matched_features": [one.to_dict() for one in self.matched_features],
            "differing_features": [one.to_dict() for one in self.differing_features],
            "similarity": round(self.similarity, 4),
            "items": [one.to_dict() for one in self.items],
            "disagreements": [one.to_dict() for one in self.disagreements],
            "is_repaired": self.is_repaired,
            "assumed_features": [one.to_dict() for one in self.assumed_features],
        }


@dataclass(frozen=True)
class Plan:
    """The decision without its reasons.

    Attributes
    ----------
    routing : tuple of ProposedStep
        Empty if refused.
    alternatives : tuple of Alternative
        The ranked routings, the proposed one first.
    probability : float
        That exactly these operations in this order are right; 0 if refused.
    confidence : str
        "high", "medium", "low", or "none" if refused.
    familiarity : float
        How much the item resembles known ones in all fields (see `decision.familiarity_of`).
    threshold : float
        Familiarity below which an item is refused.
    total : Span or None
        Minutes of setup and run of all steps for one piece.
    refusal : Problem or None
        Why there is no proposal.
    """

    routing: tuple[ProposedStep, ...]
    alternatives: tuple[Alternative, ...]
    probability: float
    confidence: str
    familiarity: float
    threshold: float
    total: Span | None
    refusal: Problem | None

    @property
    def is_refused(self) -> bool:
        """Whether the item is too unlike everything known."""
        return self.refusal is not None

    @property
    def operations(self) -> tuple[str, ...]:
        """The proposed operations in order."""
        return tuple(step.operation for step in self.routing)


@dataclass(frozen=True)
class RoutingProposal(Plan):
    """The answer to "how is this item made", with its reasons.

    Attributes
    ----------
    candidates : tuple of Candidate
        Known items with distinct routings, best first.
    explanation : Explanation
    """

    candidates: tuple[Candidate, ...]
    explanation: Explanation

    def to_dict(self) -> dict[str, Any]:
        """Return the proposal ready for JSON."""
        total = self.total
        return {
            "candidates": [one.to_dict() for one in self.candidates],
            "routing": [one.to_dict() for one in self.routing],
            "alternatives": [one.to_dict() for one in self.alternatives],
            "explanation": self.explanation.to_dict(),
            "probability": round(self.probability, 4),
            "confidence": self.confidence,
            "familiarity": round(self.familiarity, 4),
            "threshold": round(self.threshold, 4),
            "total_minutes": None if total is None else round(total.value, 2),
            "total_interval": None
            if total is None
            else [round(total.low, 2), round(total.high, 2)],
            "refusal": None if self.refusal is None else self.refusal.to_dict(),
        }
