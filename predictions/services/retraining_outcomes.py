"""How a retraining can end."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portal.core.models import Alert
from portal.registry.models import GateEvaluation, ModelVersion, PromotionRequest


class Outcome(StrEnum):
    """What became of a retraining.

    Attributes
    ----------
    SKIPPED
        There was no reason to train; the code says why.
    FAILED
        The new version is worse than the champion; nothing was asked for.
    INCONCLUSIVE
        It is not surely better; nothing was asked for.
    NOT_ASKED
        It could not be asked for, because something else happened meanwhile.
    PROPOSED
        It passed; a request waits for a person.
    APPLIED
        It passed and went live, because the policy allows it.
    """

    SKIPPED = "skipped"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_ASKED = "not_asked"
    PROPOSED = "proposed"
    APPLIED = "applied"


@dataclass(frozen=True)
class Said:
    """An outcome with its reason and what it rests on."""

    outcome: Outcome
    reason: str
    code: str = ""
    version: ModelVersion | None = None
    gate: GateEvaluation | None = None
    request: PromotionRequest | None = None

    @property
    def severity(self) -> str:
        """How loud the notice of it is."""
        loud = {Outcome.FAILED, Outcome.APPLIED, Outcome.NOT_ASKED}
        level = Alert.Severity.WARNING if self.outcome in loud else Alert.Severity.INFO
        return level.value

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as a run keeps it."""
        version = self.version
        return {
            "outcome": self.outcome.value,
            "code": self.code,
            "reason": self.reason,
            "model": version.model.name if version else None,
            "version": version.number if version else None,
            "dataset": version.lineage["dataset"]["id"] if version else None,
            "gate": self.gate.outcome if self.gate else None,
            "request": str(self.request.pk) if self.request else None,
        }
