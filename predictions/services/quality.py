"""What the registry asks of the quality family."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from django.db.models import Max, Min
from django.urls import reverse
from django.utils.translation import gettext
from numpy.typing import NDArray

from portal.registry import services as registry
from portal.registry.families import Scored
from portal.registry.models import EvaluationSet, ModelVersion
from portal.runs import artifacts
from predictions.engine.card import Words, model_card
from predictions.models import Prediction
from predictions.services import serving
from predictions.services.engine_errors import sentence
from predictions.services.models import FAMILY_NAME, LEARNT

if TYPE_CHECKING:
    from predictions.engine.gate_rows import FrozenRows


def words() -> Words:
    """Return how cards are worded in the current language."""
    return Words(gettext, sentence)


class QualityFamily:
    """Scores versions by their serving form, the very file that would go live."""

    name = FAMILY_NAME

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> Scored:
        """Score a version on a frozen set; copies of a shot are counted once.

        Shots that the version learnt are marked, and parts by product, mold and shift.

        Raises
        ------
        Corrupt
            When the version or the set does not match its digest.
        """
        from predictions.engine import gate_rows, tables  # noqa: PLC0415 - scipy and pyarrow are large

        with artifacts.open_verified(evaluation_set.artifact_id) as path:
            table = tables.read_table(path, check_ranges=False, require_label=True)
        model = serving.load(version).model
        rows = gate_rows.frozen_rows(table)
        return Scored(
            y_true=rows.labels.astype(np.int_),
            probability=model.predict(rows.matrix)[0].astype(np.float64),
            group_ids=rows.groups.astype(np.int_),
            threshold=model.threshold,
            learnt=_learnt(version, rows),
            slices=rows.slices,
        )

    def warm(self, version: ModelVersion) -> None:
        """Load a version as a web process would; raise ``Corrupt`` when it cannot."""
        serving.load(version)

    def card(self, version: ModelVersion) -> str:
        """Return the model card in the current language."""
        return model_card(
            version.evaluation,
            name=version.model.name,
            signature=version.signature,
            dataset=str((version.lineage.get("dataset") or {}).get("name", "")),
            is_synthetic=version.is_synthetic,
            words=words(),
        )

    def held(self, model_name: str) -> int | None:
        """Return the version that answers in this process, which begins to follow the champion."""
        if model_name != serving.quality.model_name:
            return None
        serving.quality.start()
        held = serving.quality.held
        return held.number if held else None

    def retrain_page(self, model_name: str) -> str:
        """Return the page that asks for a retraining."""
        return f"{reverse('admin:predictions_dataset_retrain')}?{urlencode({'model': model_name})}"

    def affected_predictions(
        self, version: ModelVersion, since: datetime, until: datetime
    ) -> Mapping[str, Any]:
        """Count the answers a version gave in a span of time."""
        answered = Prediction.objects.filter(version=version, at__gte=since, at__lt=until)
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
            "url": f"/api/v1/predictions/?{query}",
        }


def _learnt(version: ModelVersion, rows: "FrozenRows") -> NDArray[np.bool_]:
    """Return which shots a version was trained on.

    One that keeps no list, as versions of earlier releases do not, may have learnt any shot that is
    not held out of every training.
    """
    from predictions.engine import gate_rows  # noqa: PLC0415 - as above
    from predictions.services import holdout  # noqa: PLC0415 - as above

    if LEARNT not in version.artifact_digests:
        return ~holdout.is_held_out(rows.matrix)
    keys = gate_rows.read_keys(registry.read_artifact(version, LEARNT))
    return np.isin(rows.keys, keys)
