"""Registering models, frozen evaluation sets and immutable versions."""

from collections.abc import Mapping
from typing import Any, TypedDict

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.registry.engine import canonical
from portal.registry.engine.policy import Policy, PolicyError
from portal.registry.models import EvaluationSet, ModelVersion, RegisteredModel, VersionArtifact
from portal.registry.services.manifests import manifest
from portal.registry.services.reasons import checked_reason
from portal.runs.models import Artifact, Run

MAX_ANCESTORS = 20  # ours: a chain of retries and parents longer than this is cut


class Launcher(TypedDict):
    """An account that started a run, or one of the runs it came from."""

    user_id: int
    name: str
    via: str
    detail: str


def ensure_model(
    *,
    name: str,
    family: str,
    title: str,
    description: str = "",
    gate_policy: Mapping[str, Any] | None = None,
    starts_itself: bool = False,
) -> RegisteredModel:
    """Return the model of that name, registered now if it was not.

    An existing model keeps its title, description and policy: they may have been edited on purpose.
    With `starts_itself` its very first version may go live without a promotion.

    Raises
    ------
    Conflict
        If the name belongs to a model of another family.
    InvalidInput
        If the gate policy breaks a rule.
    """
    check_policy(gate_policy or {})
    model, _created = RegisteredModel.objects.get_or_create(
        name=name,
        defaults={
            "family": family,
            "title": title,
            "description": description,
            "gate_policy": dict(gate_policy or {}),
            "starts_itself": starts_itself,
        },
    )
    if model.family != family:
        raise Conflict(
            _("The model “%(name)s” is of the family “%(has)s”, not “%(asked)s”; use another name.")
            % {"name": name, "has": model.family, "asked": family},
            code="other_family",
        )
    return model


def check_policy(policy: Mapping[str, Any]) -> Policy:
    """Return a gate policy as the engine reads it.

    Raises
    ------
    InvalidInput
        Naming the rule that the policy breaks.
    """
    try:
        return Policy.from_dict(policy)
    except PolicyError as exc:
        raise InvalidInput(_(exc.template) % exc.params, code="bad_policy") from exc


def freeze_evaluation_set(
    *,
    model: RegisteredModel,
    artifact: Artifact,
    n_rows: int,
    dataset_fingerprint: str,
    description: str = "",
) -> EvaluationSet:
    """Return the evaluation set over these very rows, frozen now if it was not."""
    frozen, _created = EvaluationSet.objects.get_or_create(
        model=model,
        artifact=artifact,
        defaults={
            "n_rows": n_rows,
            "dataset_fingerprint": dataset_fingerprint,
            "description": description,
        },
    )
    return frozen


def register_version(
    *,
    model: RegisteredModel,
    run: Run | None,
    artifacts: Mapping[str, Artifact],
    evaluation_set: EvaluationSet | None,
    dataset_fingerprint: str,
    lineage: Mapping[str, Any],
    signature: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    settings: Mapping[str, Any],
    card: str,
    is_synthetic: bool,
) -> ModelVersion:
    """Write the one version of a run; a second call for the run returns the first version.

    Must be called inside ``ctx.fenced()``, so that a worker that lost its lease writes nothing.

    Raises
    ------
    InvalidInput
        If a part is no JSON, holds NaN or infinity, or there is no artifact.
    """
    if not artifacts:
        raise InvalidInput(
            _("A version needs at least one file; save the serving form first."),
            code="no_artifacts",
        )
    with transaction.atomic():
        RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
        if run is not None and (first := ModelVersion.objects.filter(run=run).first()):
            return first
        version = ModelVersion(
            model=model,
            number=_next_number(model),
            run=run,
            evaluation_set=evaluation_set,
            artifact_digests={name: item.pk for name, item in sorted(artifacts.items())},
            dataset_fingerprint=dataset_fingerprint,
            lineage=_json({**lineage, **_origin(run)}, "lineage"),
            signature=_json(signature, "signature"),
            evaluation=_json(evaluation, "evaluation"),
            settings=_json(settings, "settings"),
            card=card,
            is_synthetic=is_synthetic,
        )
        version.digest = canonical.digest(manifest(version))
        version.save(force_insert=True)
        VersionArtifact.objects.bulk_create(
            VersionArtifact(version=version, name=name, artifact=item)
            for name, item in sorted(artifacts.items())
        )
        return version


def _next_number(model: RegisteredModel) -> int:
    last = model.versions.order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


def _json(value: Mapping[str, Any], name: str) -> Any:
    try:
        return canonical.settled(value)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(
            _("The %(name)s of a version must be plain JSON: %(error)s.")
            % {"name": name, "error": exc},
            code="not_json",
        ) from exc


def _origin(run: Run | None) -> dict[str, Any]:
    """Return what a version's lineage says of its run and of who launched it."""
    if run is None:
        return {"run": None, "launched_by": [], "launcher_ids": []}
    launched_by = launchers(run)
    return {
        "run": {
            "id": str(run.pk),
            "kind": run.kind,
            "parameters": run.parameters,
            "seed": run.seed,
            "code_revision": run.code_revision,
            "library_versions": run.library_versions,
            "via": run.started_via,
        },
        "launched_by": launched_by,
        "launcher_ids": sorted({person["user_id"] for person in launched_by}),
    }


def launchers(run: Run) -> list[Launcher]:
    """Return the accounts behind a run: its own, and those of the runs it retried or came from."""
    people: list[Launcher] = []
    queue, seen = [run], {run.pk}
    while queue and len(seen) <= MAX_ANCESTORS:
        one = queue.pop(0)
        if one.started_by is not None:
            people.append(
                {
                    "user_id": one.started_by.pk,
                    "name": one.started_by.get_username(),
                    "via": one.started_via,
                    "detail": one.started_via_detail,
                }
            )
        for origin in (one.parent, one.retry_of):
            if origin is not None and origin.pk not in seen:
                seen.add(origin.pk)
                queue.append(origin)
    return people


def set_gate_policy(
    *, model: RegisteredModel, policy: Mapping[str, Any], reason: str, actor: Actor
) -> RegisteredModel:
    """Change what a model's gate looks at; a live request judged by the old policy becomes void.

    Raises
    ------
    Refused
        If the actor may not change models, or lets versions go live by themselves without being
        allowed to approve promotions.
    InvalidInput
        If the policy breaks a rule, or without a reason.
    """
    with audit.refusals(actor, "model.gate_policy", model.name):
        actor.require("registry.change_registeredmodel")
        reason = checked_reason(reason)
        wanted = check_policy(policy)
        if wanted.auto_apply:  # it takes the place of a person's approval
            actor.require("registry.approve_promotion")
        with transaction.atomic():
            locked = RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
            detail = {"before": locked.gate_policy, "after": dict(policy)}
            locked.gate_policy = dict(policy)
            locked.save(update_fields=["gate_policy"])
            audit.record(actor, "model.gate_policy", model.name, reason=reason, detail=detail)
    return locked
