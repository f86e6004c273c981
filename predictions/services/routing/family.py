"""What the registry asks of the routing family."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from django.db.models import Max, Min
from django.urls import reverse

from portal.registry.families import Parts, RowScores
from portal.registry.models import EvaluationSet, ModelVersion
from predictions.engine.routing.card import routing_card
from predictions.models import RoutingPrediction
from predictions.services.quality import words
from predictions.services.routing import serving
from predictions.services.routing.models import FAMILY_NAME

if TYPE_CHECKING:
    from predictions.engine.routing.metrics import Outcomes

HISTORY = "/api/v1/predictions/routing/history/"


class RoutingFamily:
    """Judges versions by their serving form, the very file that would go live."""

    name = FAMILY_NAME

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> RowScores:
        """Judge a version on the items of a frozen set; variants of one design are one group.

        Raises
        ------
        Corrupt
            When the version or the set does not match its digest.
        """
        from predictions.engine.routing import judging, splits  # noqa: PLC0415 - pyarrow is large
        from predictions.services.routing import datasets  # noqa: PLC0415 - as above

        items, routings = datasets.load_artifact(evaluation_set.artifact_id)
        model = serving.load(version).model
        judged = judging.judge_all(model, items, routings)
        known = set(model.known.codes)
        types = items.columns()["item_type"]
        return RowScores(
            parts=_parts(judged.plans),
            group_ids=splits.variant_groups(items).astype(np.int_),
            learnt=np.array([code in known for code in items.codes()], dtype=bool),
            slices={"item_type": np.array([str(one or "") for one in types])},
            lookup=_parts(judged.looked_up),
        )

    def warm(self, version: ModelVersion) -> None:
        """Load a version as a web process would; raise ``Corrupt`` when it cannot."""
        serving.load(version)

    def card(self, version: ModelVersion) -> str:
        """Return the model card in the current language."""
        return routing_card(
            version.evaluation,
            name=version.model.name,
            dataset=str((version.lineage.get("dataset") or {}).get("name", "")),
            is_synthetic=version.is_synthetic,
            words=words(),
        )

    def retrain_page(self, model_name: str) -> str:
        """Return the page that asks for a retraining."""
        return f"{reverse('admin:predictions_dataset_retrain')}?{urlencode({'model': model_name})}"

    def held(self, model_name: str) -> int | None:
        """Return the version that answers in this process, which begins to follow the champion."""
        if model_name != serving.routing.model_name:
            return None
        serving.routing.start()
        held = serving.routing.held
        return held.number if held else None

    def affected_predictions(
        self, version: ModelVersion, since: datetime, until: datetime
    ) -> Mapping[str, Any]:
        """Count the answers a version gave in a span of time."""
        answered = RoutingPrediction.objects.filter(version=version, at__gte=since, at__lt=until)
        span = answered.aggregate(first=Min("at"), last=Max("at"))
        query = urlencode(
            {
                "model": version.model.name,
                "model_version": version.number,
                "since": since.isoformat(),
                "until": until.isoformat(),
            }
        )
        return {
            "count": answered.count(),
            "first_at": span["first"].isoformat() if span["first"] else None,
            "last_at": span["last"].isoformat() if span["last"] else None,
            "url": f"{HISTORY}?{query}",
        }


def _parts(outcomes: "Outcomes") -> dict[str, Parts]:
    """Return what counts on each item, and out of how much, for every metric of the gate."""
    ones = np.ones(len(outcomes.exact))
    is_timed = np.isfinite(outcomes.total_error)
    return {
        "exact_operations": (outcomes.exact, ones),
        "exact_in_top_three": (outcomes.top3, ones),
        "operation_f1": (outcomes.f1, ones),
        "total_time_wmape": (
            np.where(is_timed, outcomes.total_error, 0.0),
            np.where(is_timed, outcomes.total, 0.0),
        ),
    }
