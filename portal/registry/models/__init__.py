"""Models, immutable versions, aliases and their history, evaluations and promotion requests."""

from portal.registry.models.aliases import Alias, AliasAssignment, AliasMove
from portal.registry.models.promotions import (
    PORTAL_NAME,
    GateEvaluation,
    PromotionDecision,
    PromotionRequest,
)
from portal.registry.models.registered import RegisteredModel
from portal.registry.models.versions import (
    HEX_DIGEST,
    EvaluationSet,
    ModelVersion,
    ModelVersionQuerySet,
    VersionArtifact,
)

__all__ = [
    "HEX_DIGEST",
    "PORTAL_NAME",
    "Alias",
    "AliasAssignment",
    "AliasMove",
    "EvaluationSet",
    "GateEvaluation",
    "ModelVersion",
    "ModelVersionQuerySet",
    "PromotionDecision",
    "PromotionRequest",
    "RegisteredModel",
    "VersionArtifact",
]
