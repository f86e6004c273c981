"""Fits of the put-rate model: all five forms on the trials there are, as one version."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portal.core import alerts
from portal.core.errors import Conflict
from portal.lib.hashing import canonical_json, sha256_bytes
from portal.registry import services as registry
from portal.registry.families import RowScores
from portal.registry.models import EvaluationSet, ModelVersion
from portal.runs.context import RunContext
from portal.runs.models import Artifact, Run
from tuning.engine.problems import ModelError
from tuning.engine.putrate.contract import Observation
from tuning.engine.putrate.versions import VERSIONS, Score
from tuning.engine.putrate.versions import score as scored
from tuning.models import PutRateForm, Trial
from tuning.services import put_inputs, put_rates, put_scores

_JSON = "application/json"
Fitted = tuple[dict[str, Any], dict[str, Any]]


def require_enough() -> list[Trial]:
    """Return the trials that a fit would use.

    Raises
    ------
    Conflict
        With how many there are and how many it takes.
    """
    trials = put_inputs.measured()
    lacking = put_rates.missing(len(trials), n_configurations(trials))
    if lacking:
        raise Conflict(lacking, code="not_enough_trials")
    return trials


def n_configurations(trials: Sequence[Trial]) -> int:
    """Return how many configurations trials are of."""
    return len({put_inputs.group(trial) for trial in trials})


def fit(ctx: RunContext) -> dict[str, Any]:
    """Score what was not scored yet, then fit every form and register them as one version.

    Raises
    ------
    Conflict
        If there are not enough trials.
    """
    trials = require_enough()
    with ctx.fenced():
        put_scores.score(trials)
    rows = put_inputs.observations(trials)
    found: dict[str, Fitted] = {}
    for place, name in enumerate(VERSIONS):
        ctx.progress(place / len(VERSIONS), name)
        found[name] = _fitted(name, rows)
    kept = {
        f"{name}.json": ctx.save_artifact(f"{name}.json", canonical_json(content), _JSON)
        for name, (content, _evaluation) in found.items()
    }
    with ctx.fenced():
        version = _register(ctx, trials, rows, found, kept)
        _enable(version, found)
    return {"version": version.number, "n_trials": len(trials)}


def _fitted(name: str, rows: Sequence[Observation]) -> Fitted:
    try:
        model = VERSIONS[name]().fit(rows)
        left_out = scored(name, VERSIONS[name], rows)
    except ModelError as exc:
        raise Conflict(
            _(
                "The form %(form)s cannot be fitted, because too many trials are of the same "
                "configuration: measure other configurations as well."
            )
            % {"form": name},
            code="not_enough_trials",
        ) from exc
    return model.as_json(), _evaluation(left_out) | {"stated_error": model.stated_error}


def _evaluation(left_out: Score) -> dict[str, Any]:
    names = ("n", "median_ape", "p90_ape", "coverage", "width")
    return {name: getattr(left_out, name) for name in names}


def _register(
    ctx: RunContext,
    trials: Sequence[Trial],
    rows: Sequence[Observation],
    found: dict[str, Fitted],
    kept: dict[str, Artifact],
) -> ModelVersion:
    plain = [[row.group, row.rate, row.inputs.as_json()] for row in rows]
    evaluation = {name: one for name, (_content, one) in found.items()}
    return registry.register_version(
        model=registry.ensure_model(
            name=put_rates.MODEL,
            family=put_rates.FAMILY,
            title=gettext_noop("Put rate that RocksDB sustains"),
            description=_(
                "Five forms, fitted together. The one with the least error answers by rule; "
                "nothing is promoted."
            ),
        ),
        run=Run.objects.get(pk=ctx.run_id),
        artifacts=kept,
        evaluation_set=None,
        dataset_fingerprint=sha256_bytes(canonical_json(plain)),
        lineage={"trials": sorted(trial.pk for trial in trials)},
        signature={},
        evaluation={"left_out": evaluation, "n_configurations": n_configurations(trials)},
        settings={},
        card=_("Fitted on %(trials)s trials of %(configurations)s configurations.")
        % {"trials": len(trials), "configurations": n_configurations(trials)},
        is_synthetic=False,
    )


def _enable(version: ModelVersion, found: dict[str, Fitted]) -> None:
    for name, (content, evaluation) in found.items():
        PutRateForm.objects.get_or_create(
            version=version, name=name, defaults={"content": content, "evaluation": evaluation}
        )
        alerts.resolve_alert(put_scores.alert_key(name))


class PutRateFamily:
    """The registry keeps fits of the put-rate model; which form answers is a rule of tuning's."""

    name = put_rates.FAMILY

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> RowScores:
        """Refuse: the least error decides, on every new trial.

        Raises
        ------
        Conflict
            Always.
        """
        raise Conflict(
            _("%(version)s is not promoted: the form with the least error answers by itself.")
            % {"version": version},
            code="not_scorable",
        )

    def warm(self, version: ModelVersion) -> None:
        """Read every form; raise ``Corrupt`` when one is damaged."""
        for name in version.artifact_digests:
            registry.read_artifact(version, name)
