"""Scoring candidate and champion on one frozen set and keeping the verdict."""

from django.utils.translation import gettext as _

from portal.core.errors import Conflict
from portal.registry import families
from portal.registry.engine.gate import GateError, GateReport, Reason, judge, seed_of
from portal.registry.engine.metrics import SampleError
from portal.registry.models import EvaluationSet, GateEvaluation, ModelVersion
from portal.registry.services.versions import check_policy


def evaluate(*, candidate: ModelVersion, champion: ModelVersion | None) -> GateEvaluation:
    """Judge a candidate as :func:`weigh` does and keep the verdict."""
    gate = weigh(candidate=candidate, champion=champion)
    gate.save(force_insert=True)
    return gate


def weigh(*, candidate: ModelVersion, champion: ModelVersion | None) -> GateEvaluation:
    """Judge a candidate against the champion, or against the base rate when there is none.

    The verdict is not written yet.

    Loads and scores models: call it outside any transaction. The resamples are fixed by what is
    compared, so asking twice gives the same verdict.

    Raises
    ------
    Conflict
        If there is no evaluation set, or one of the versions cannot be scored on it.
    Corrupt
        If a file of a version or of the set is damaged.
    """
    frozen = candidate.evaluation_set
    if frozen is None:
        raise Conflict(
            _("%(version)s has no frozen evaluation set; train it again on a data set with labels.")
            % {"version": candidate},
            code="no_evaluation_set",
        )
    report = _judge(candidate, champion, frozen)
    return GateEvaluation(
        candidate=candidate,
        champion=champion,
        evaluation_set=frozen,
        outcome=report.outcome,
        report=report.to_dict(),
    )


def _judge(
    candidate: ModelVersion, champion: ModelVersion | None, frozen: EvaluationSet
) -> GateReport:
    family = families.get(candidate.model.family)
    policy = check_policy(candidate.model.gate_policy)
    seed = seed_of(candidate.digest, champion.digest if champion else "", frozen.artifact_id)
    try:
        return judge(
            family.score(candidate, frozen),
            family.score(champion, frozen) if champion else None,
            policy=policy,
            seed=seed,
        )
    except (GateError, SampleError) as exc:
        raise Conflict(
            _("%(version)s cannot be judged on its evaluation set: %(error)s.")
            % {"version": candidate, "error": exc},
            code="not_scorable",
        ) from exc


def sentences(gate: GateEvaluation) -> list[str]:
    """Return why the gate decided as it did, in the reader's language."""
    reasons = (Reason(line["code"], line["params"]) for line in gate.report["reasons"])
    return [_(reason.template).format(**_translated(reason)) for reason in reasons]


def _translated(reason: Reason) -> dict[str, object]:
    return {
        name: _(value) if isinstance(value, str) else value for name, value in reason.params.items()
    }
