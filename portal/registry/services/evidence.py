"""What an approver is shown and binds to: the evidence of a request, built again at every step."""

from typing import Any

from portal.registry import selectors
from portal.registry.engine import canonical
from portal.registry.models import (
    Alias,
    AliasMove,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)

FORMAT = 1


def build(request: PromotionRequest) -> dict[str, Any]:
    """Return the evidence as the database gives it now.

    Built from rows, never from what was kept, so that any edit shows as another digest. People are
    named by their account's number: a person may be renamed.
    """
    gate = request.gate
    evidence = {
        "format": FORMAT,
        "model": request.model.name,
        "request": {
            "id": str(request.pk),
            "reason": request.reason,
            "requested_by": request.requested_by_id,
            "via": request.requested_via,
            "created_at": request.created_at.isoformat(),
            "expires_at": request.expires_at.isoformat(),
        },
        "candidate": _version(request.candidate),
        "champion": _version(request.champion) if request.champion else None,
        "evaluation_set": _evaluation_set(gate),
        "gate": {"id": gate.pk, "outcome": gate.outcome, "report": gate.report},
        "policy": request.model.gate_policy,
        "lineage": {
            "launched_by": request.candidate.lineage.get("launched_by", []),
            "launcher_ids": request.candidate.lineage.get("launcher_ids", []),
            "candidate": request.candidate.lineage,
        },
        "alias": _alias(request.model),
    }
    settled: dict[str, Any] = canonical.settled(evidence)
    return settled


def changes(request: PromotionRequest) -> list[str]:
    """Return which parts of the evidence no longer hold; empty while all of it does."""
    if canonical.digest(request.evidence) != request.digest:
        return ["evidence"]
    now = build(request)
    return sorted(
        part
        for part in now.keys() | request.evidence.keys()
        if now.get(part) != request.evidence.get(part)
    )


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "digest": version.digest,
        "artifacts": version.artifact_digests,
        "run": str(version.run_id) if version.run_id else None,
        "dataset_fingerprint": version.dataset_fingerprint,
        "is_synthetic": version.is_synthetic,
        "signature": version.signature,
        "evaluation": version.evaluation,
        "settings": version.settings,
        "created_at": version.created_at.isoformat(),
    }


def _evaluation_set(gate: GateEvaluation) -> dict[str, Any]:
    frozen = gate.evaluation_set
    return {
        "sha256": frozen.artifact_id,
        "n_rows": frozen.n_rows,
        "dataset_fingerprint": frozen.dataset_fingerprint,
    }


def _alias(model: RegisteredModel) -> dict[str, Any]:
    """Return where the champion alias stands, by its last move: away and back again is a change."""
    champion = selectors.champion(model.name)
    move = AliasMove.objects.filter(model=model, alias=Alias.CHAMPION).order_by("-id").first()
    return {
        "champion": champion.number if champion else None,
        "move": move.pk if move else None,
        "since": move.at.isoformat() if move else None,
    }
