"""Why this routing: which fields matched, what was assumed, who spoke, which steps disagree.

NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictions.engine.routing.decision import Decider, Decision
from predictions.engine.routing.encoding import DERIVED, MISSING, NUMBER_FIELDS, Encoded
from predictions.engine.routing.filling import Filled, middle
from predictions.engine.routing.proposal import (
    AssumedFeature,
    Disagreement,
    Explanation,
    MatchedFeature,
    SupportingItem,
)
from predictions.engine.routing.routings import to_date
from predictions.engine.routing.schema import CATEGORIES, DATES, ITEM_BY_NAME, TEXTS
from predictions.engine.routing.similarity import FIELDS

N_FEATURES = 12
N_DIFFERING = 6
N_ITEMS = 10
N_DISSENTERS = 3
#: Share of votes or belief against the proposal from which a step counts as in dispute.
DISPUTED_FROM = 0.05
#: Significant digits of a shown number.
DIGITS = 6
_DERIVED_LABELS = {
    "slenderness": ("Length over diameter", "세장비"),
    "wall_mm": ("Wall thickness", "살두께"),
    "surface_mm2": ("Surface", "표면적"),
    "volume_mm3": ("Volume", "부피"),
}


@dataclass(frozen=True)
class KnownItems:
    """What people call the items of the index."""

    codes: Sequence[str]
    names: Sequence[str]


def explain(
    decider: Decider, item: Encoded, name: str | None, decision: Decision, known: KnownItems
) -> Explanation:
    """Explain a decision.

    Parameters
    ----------
    decider : Decider
    item : Encoded
        The item asked about.
    name : str or None
        Its name.
    decision : Decision
    known : KnownItems
        Codes and names of the items of the index.
    """
    ballot = decision.evidence.ballot
    rows = ballot.voters.rows
    gained = ballot.weights @ decider.index.contributions(item, rows).astype(np.float64)
    possible = decider.index.field_weights
    nearest = decider.index.items.take(rows[:1])
    ours = _values(decider, item, name)
    theirs = _values(decider, nearest, known.names[int(rows[0])])
    features = [
        MatchedFeature(
            field,
            *_labels(field),
            ours[field],
            theirs[field],
            float(gained[position]),
            float(possible[position]),
        )
        for position, field in enumerate(FIELDS)
    ]
    by_gain = sorted(features, key=lambda one: -one.contribution)
    by_loss = sorted(features, key=lambda one: one.contribution - one.possible)
    proposed = decision.ranked[0]
    return Explanation(
        tuple(one for one in by_gain[:N_FEATURES] if one.contribution > 0),
        tuple(one for one in by_loss[:N_DIFFERING] if one.possible > one.contribution),
        float(ballot.weights @ ballot.voters.similarity),
        _supporters(decider, decision, known),
        disagreements(decider, decision, known.codes),
        proposed.is_repaired,
        assumed(decider, item, decision),
    )


def assumed(decider: Decider, item: Encoded, decision: Decision) -> tuple[AssumedFeature, ...]:
    """Return what the trees took for cells that are empty or say what training never saw."""
    if not decider.fills_gaps:
        return ()
    ballot = decision.evidence.ballot
    voters = decider.index.items.take(ballot.voters.rows)
    filled = Filled.of(item)
    filled.fill(0, decider.index.items, ballot.voters.rows, ballot.weights)
    found = []
    for field in np.flatnonzero((item.codes[0] < 0) & (filled.codes[0] >= 0)):
        name, code = CATEGORIES[field], int(filled.codes[0, field])
        share = float(ballot.weights[voters.codes[:, field] == code].sum())
        value = decider.encoder.values[field][code]
        found.append(AssumedFeature(name, *_labels(name), value, share))
    for field in np.flatnonzero(np.isnan(item.numbers[0]) & ~np.isnan(filled.numbers[0])):
        name, numbers = NUMBER_FIELDS[field], voters.raw[:, field]
        number = _number(name, np.float32(middle(numbers, ballot.weights)))
        if name not in DERIVED and number is not None:
            share = float(ballot.weights[~np.isnan(numbers)].sum())
            found.append(AssumedFeature(name, *_labels(name), number, share))
    return tuple(sorted(found, key=lambda one: -one.share))


def disagreements(
    decider: Decider, decision: Decision, codes: Sequence[str]
) -> tuple[Disagreement, ...]:
    """Return the steps in dispute, the most disputed first."""
    ballot, beliefs = decision.evidence.ballot, decision.evidence.beliefs
    proposed = np.zeros(decider.book.n_steps, dtype=bool)
    proposed[list(decision.ranked[0].steps)] = True
    agreement = np.where(proposed, decision.frequency, 1 - decision.frequency)
    trust = np.where(proposed, beliefs, 1 - beliefs)
    has = decider.book.contents[ballot.routings]
    found = []
    for step in np.flatnonzero(np.minimum(agreement, trust) <= 1 - DISPUTED_FROM):
        against = ballot.voters.rows[has[:, step] != proposed[step]][:N_DISSENTERS]
        found.append(
            Disagreement(
                decider.book.steps[step][0],
                bool(proposed[step]),
                float(agreement[step]),
                float(beliefs[step]),
                tuple(codes[int(row)] for row in against),
            )
        )
    return tuple(sorted(found, key=lambda one: one.agreement))


def _supporters(
    decider: Decider, decision: Decision, known: KnownItems
) -> tuple[SupportingItem, ...]:
    ballot = decision.evidence.ballot
    proposed = list(decision.ranked[0].steps)
    return tuple(
        SupportingItem(
            known.codes[int(row)],
            known.names[int(row)],
            float(ballot.voters.similarity[place]),
            float(ballot.weights[place]),
            decider.book.sequence(int(ballot.routings[place])) == proposed,
        )
        for place, row in enumerate(ballot.voters.rows[:N_ITEMS])
    )


def _labels(field: str) -> tuple[str, str]:
    column = ITEM_BY_NAME.get(field)
    if column is None:
        return _DERIVED_LABELS[field]
    return column.label_en, column.label_ko


def _values(decider: Decider, item: Encoded, name: str | None) -> dict[str, str | float | None]:
    """Return what stands in the fields of one encoded item, as far as it was kept."""
    found: dict[str, str | float | None] = dict.fromkeys(TEXTS)
    found["item_name"] = name
    for category, values, code in zip(
        CATEGORIES, decider.encoder.values, item.codes[0].tolist(), strict=True
    ):
        found[category] = values[code] if code > MISSING else None
    for field, number in zip(NUMBER_FIELDS, item.raw[0], strict=True):
        found[field] = _number(field, number)
    return found


def _number(field: str, number: np.float32) -> str | float | None:
    if np.isnan(number):
        return None
    if field in DATES:
        return to_date(float(number)).isoformat()
    return float(f"{float(number):.{DIGITS}g}")
