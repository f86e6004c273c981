"""Rows for the tests of the console: made directly, since only the pages are under test."""

from datetime import timedelta
from typing import Any

from portal.core.models import User
from portal.lib import clock
from portal.registry.engine import canonical
from portal.registry.models import (
    EvaluationSet,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
    VersionArtifact,
)
from portal.registry.services import evidence
from portal.runs import artifacts
from portal.runs.models import Artifact
from predictions.models import Dataset

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6}
FINDING = {
    "field": "",
    "code": "copied_rows",
    "row": None,
    "params": {"value": 3, "n_rows": 100, "share": 0.03},
    "message": "3 of 100 rows are copies.",
}
OUTCOME = {
    "name": "copied_rows",
    "label": "Exact copies",
    "is_clear": False,
    "value": 3,
    "limit": 1,
    "field": "",
}
CHECKS = {
    "outcomes": [OUTCOME],
    "n_rows": 100,
    "n_distinct": 97,
    "n_copies": 3,
    "n_repeated_inputs": 0,
    "n_near_copies": 0,
    "n_contradictions": 0,
    "constant": ["Air_Pressure_Min"],
    "missing": {"Factory_Temp": 4},
    "share_by_tenth": [0.1, 0.2],
    "findings": [FINDING],
}
COLUMN = {
    "name": "Velocity_1",
    "role": "feature",
    "unit": "m/s",
    "n_missing": 0,
    "missing_share": 0.0,
    "n_distinct": 10,
    "min": 0.1,
    "max": 0.4,
    "quantiles": {"0.5": 0.2},
    "n_outliers": 0,
    "is_constant": False,
}
METRIC = {"name": "pr_auc", "label": "PR AUC (average precision)", "higher_is_better": True}
EVALUATION: dict[str, Any] = {
    "n_rows": 100,
    "n_distinct": 97,
    "defect_share": 0.2,
    "threshold": 0.3,
    "metric_table": [METRIC],
    "metrics": {"pr_auc": FIGURE},
    "baselines": [{"label": "Constant", "description": "d", "metrics": {"pr_auc": FIGURE}}],
    "protocol": {
        "label": "Grouped by identical rows",
        "description": "",
        "n_folds": 5,
        "n_tested": 97,
    },
    "comparisons": [],
    "confusion": {"true_defect": 9, "false_defect": 3, "true_ok": 80, "missed_defect": 5},
    "calibration_curve": [
        {"predicted": 0.1, "observed": 0.12, "n": 50},
        {"predicted": 0.6, "observed": 0.55, "n": 47},
    ],
    "slices": [],
    "importance": {"Velocity_1": 0.7, "Cycle_Time": 0.3},
    "checks": CHECKS,
    "findings": [FINDING],
}
SIGNATURE = {
    "features": [{"name": "Velocity_1", "group": "process", "unit": "m/s", "low": 0.0, "high": 1.0}]
}
COMPARISON = {
    "name": "average_precision",
    "label": "PR-AUC (average precision)",
    "role": "primary",
    "higher_is_better": True,
    "candidate": 0.62,
    "champion": 0.51,
    "gain": 0.11,
    "low": 0.04,
    "high": 0.18,
    "level": 0.9,
    "verdict": "better",
}
GATE = {
    "outcome": "passed",
    "reasons": [{"code": "primary_better", "params": {"label": "PR-AUC (average precision)"}}],
    "comparisons": [COMPARISON],
    "against": "champion",
    "n_rows": 100,
    "n_groups": 97,
    "n_positives": 20,
    "n_resamples": 1000,
}


def artifact(content: bytes = b"content") -> Artifact:
    return artifacts.save(content, "text/plain")


def dataset(kept: Artifact, name: str = "May shots", **fields: Any) -> Dataset:
    values: dict[str, Any] = {
        "kind": Dataset.Kind.QUALITY,
        "artifact": kept,
        "fingerprint": canonical.digest(name),
        "n_rows": 100,
        "schema": [{"name": "Velocity_1"}, {"name": "defect"}],
        "profile": {
            "n_columns": 31,
            "n_defects": 20,
            "defect_share": 0.2,
            "checks": CHECKS,
            "columns": [COLUMN],
            "source": {"format": "csv", "encoding": "utf-8", "header_rows": 2},
        },
    }
    return Dataset.objects.create(name=name, **values | fields)


def model(name: str = "diecasting-quality") -> RegisteredModel:
    return RegisteredModel.objects.create(name=name, family="quality", title="Die-casting quality")


def version(of: RegisteredModel, kept: Artifact, *, number: int, **fields: Any) -> ModelVersion:
    frozen, _new = EvaluationSet.objects.get_or_create(
        model=of, artifact=kept, defaults={"n_rows": 100, "dataset_fingerprint": "f" * 64}
    )
    values: dict[str, Any] = {
        "evaluation_set": frozen,
        "artifact_digests": {"serving.onnx": kept.pk},
        "dataset_fingerprint": "f" * 64,
        "lineage": {"launched_by": [], "launcher_ids": []},
        "signature": SIGNATURE,
        "evaluation": EVALUATION,
        "is_synthetic": True,
        "card": "# Die-casting quality\n\nA **card** with <b>no HTML</b>.",
        "digest": canonical.digest([of.name, number]),
    }
    made = ModelVersion.objects.create(model=of, number=number, **values | fields)
    VersionArtifact.objects.create(version=made, name="serving.onnx", artifact=kept)
    return made


def promotion(
    candidate: ModelVersion, kept: Artifact, asker: User, **fields: Any
) -> PromotionRequest:
    frozen = candidate.evaluation_set
    assert frozen is not None
    gate = GateEvaluation.objects.create(
        candidate=candidate, evaluation_set=frozen, outcome="passed", report=GATE
    )
    moment = clock.now()
    made = PromotionRequest(
        model=candidate.model,
        candidate=candidate,
        gate=gate,
        requested_by=asker,
        requested_via="person",
        reason="Better on May.",
        created_at=moment,
        expires_at=moment + timedelta(days=3),
        **fields,
    )
    made.evidence = evidence.build(made)
    made.digest = canonical.digest(made.evidence)
    made.save(force_insert=True)
    return made
