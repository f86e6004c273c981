"""What follows from the measured cells of a campaign, as its page shows it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.lab import selectors
from search.lab.engine import pictures
from search.lab.engine.analysis import choosing
from search.lab.engine.analysis.choosing import Need, Recommendation
from search.lab.models import Campaign
from search.lab.selectors import Line


def shown(campaign: Campaign, lines: Sequence[Line]) -> dict[str, Any]:
    """Return what to take for each need, and the pictures of latency against recall."""
    points = selectors.points_of(lines)
    wanted = campaign.recall or selectors.WANTED_RECALL
    by_key = {line.cell.key: line for line in lines}
    return {
        "wanted": wanted,
        "advice": [
            _advice(need, choosing.recommend(own, min_recall=wanted), by_key)
            for need, own in choosing.by_need(points).items()
        ],
        "pictures": [
            (selectors.called(one.need), one)
            for one in pictures.by_need(points, selectors.label)
            if one.need is not None
        ],
    }


def _advice(need: Need, one: Recommendation, by_key: Mapping[str, Line]) -> dict[str, Any]:
    found: dict[str, Any] = {"need": selectors.called(need), "n_considered": one.n_considered}
    if one.point is not None:
        second = by_key[one.runner_up.cell.key] if one.runner_up else None
        line = by_key[one.point.cell.key]
        found |= {
            "line": line,
            "memory_bytes": None if math.isnan(one.point.memory_mb) else one.point.memory_mb * 1e6,
            "sureness": selectors.sureness(line, second, is_recall_sure=one.is_recall_sure),
        }
    return found
