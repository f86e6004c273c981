"""What models, versions, moves and promotion requests look like from outside, and what goes in."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.api import StrictSerializer
from portal.core.api.examples import example
from portal.registry.engine.policy import Policy
from portal.registry.models import (
    Alias,
    AliasAssignment,
    AliasMove,
    GateEvaluation,
    ModelVersion,
    PromotionDecision,
    PromotionRequest,
    RegisteredModel,
    VersionArtifact,
)
from portal.registry.services import Rollback, check_policy, sentences
from portal.registry.services.reasons import MAX_CHARS


class AliasSerializer(serializers.ModelSerializer[AliasAssignment]):
    """Where an alias points."""

    version = serializers.IntegerField(source="version.number", read_only=True)

    class Meta:
        model = AliasAssignment
        fields = ("alias", "version", "since")
        read_only_fields = fields


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    """A registered model with its aliases."""

    aliases = AliasSerializer(many=True, read_only=True)
    gate_policy = serializers.SerializerMethodField(
        help_text="The policy in force, defaults included."
    )

    class Meta:
        model = RegisteredModel
        fields = (
            "name",
            "family",
            "title",
            "description",
            "aliases",
            "gate_policy",
            "n_rollback_targets",
            "created_at",
            "retired_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_gate_policy(self, model: RegisteredModel) -> dict[str, Any]:
        return check_policy(model.gate_policy).to_dict()


class ArtifactSerializer(serializers.ModelSerializer[VersionArtifact]):
    """A file of a version."""

    sha256 = serializers.CharField(source="artifact_id", read_only=True)
    size_bytes = serializers.IntegerField(source="artifact.size_bytes", read_only=True)
    media_type = serializers.CharField(source="artifact.media_type", read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = VersionArtifact
        fields = ("name", "sha256", "size_bytes", "media_type", "url")
        read_only_fields = fields

    def get_url(self, kept: VersionArtifact) -> str:
        return f"/api/v1/artifacts/{kept.artifact_id}/"


class GateSummarySerializer(serializers.ModelSerializer[GateEvaluation]):
    """A verdict of the gate and why."""

    champion = serializers.IntegerField(
        source="champion.number", read_only=True, allow_null=True, default=None
    )
    reasons = serializers.SerializerMethodField()

    class Meta:
        model = GateEvaluation
        fields: tuple[str, ...] = ("id", "outcome", "reasons", "champion", "created_at")
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_reasons(self, gate: GateEvaluation) -> list[str]:
        return sentences(gate)


class GateSerializer(GateSummarySerializer):
    """A verdict of the gate with every interval."""

    report = serializers.DictField(read_only=True)

    class Meta:
        model = GateEvaluation
        fields = (*GateSummarySerializer.Meta.fields, "report")
        read_only_fields = fields


class VersionSummarySerializer(serializers.ModelSerializer[ModelVersion]):
    """A version as lists show it."""

    model = serializers.CharField(source="model.name", read_only=True)
    version = serializers.IntegerField(source="number", read_only=True)
    aliases = serializers.SerializerMethodField(help_text="Aliases that point at it.")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "model",
            "version",
            "aliases",
            "state",
            "state_reason",
            "digest",
            "run",
            "dataset_fingerprint",
            "is_synthetic",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Alias.choices)))
    def get_aliases(self, version: ModelVersion) -> list[str]:
        return sorted(held.alias for held in version.aliases.all())


class VersionSerializer(VersionSummarySerializer):
    """A version in full."""

    artifacts = ArtifactSerializer(source="version_artifacts", many=True, read_only=True)
    artifact_digests = serializers.DictField(child=serializers.CharField(), read_only=True)
    evaluation_set = serializers.CharField(
        source="evaluation_set.artifact_id",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="SHA-256 of the frozen rows.",
    )
    signature = serializers.DictField(read_only=True)
    evaluation = serializers.DictField(read_only=True)
    lineage = serializers.DictField(read_only=True)
    settings = serializers.DictField(read_only=True)
    gate_evaluations = GateSerializer(many=True, read_only=True)

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            *VersionSummarySerializer.Meta.fields,
            "artifacts",
            "artifact_digests",
            "evaluation_set",
            "signature",
            "evaluation",
            "settings",
            "lineage",
            "card",
            "gate_evaluations",
        )
        read_only_fields = fields


class MoveSerializer(serializers.ModelSerializer[AliasMove]):
    """One line of an alias's history: what went live, since when, put there by whom and why."""

    version = serializers.IntegerField(
        source="to_version.number", read_only=True, allow_null=True, default=None
    )
    digest = serializers.CharField(
        source="to_version.digest", read_only=True, allow_null=True, default=None
    )
    from_version = serializers.IntegerField(
        source="from_version.number", read_only=True, allow_null=True, default=None
    )
    since = serializers.DateTimeField(source="at", read_only=True)
    until = serializers.SerializerMethodField(help_text="Null while it still is.")
    by = serializers.CharField(source="actor", read_only=True)

    class Meta:
        model = AliasMove
        fields = (
            "id",
            "alias",
            "version",
            "digest",
            "since",
            "until",
            "by",
            "kind",
            "reason",
            "from_version",
            "promotion",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_until(self, move: AliasMove) -> Any:
        return getattr(move, "until", None)  # a move of this moment has no later one


class DecisionSerializer(serializers.ModelSerializer[PromotionDecision]):
    """One person's word on a request."""

    decided_by = serializers.CharField(source="decided_by.username", read_only=True)

    class Meta:
        model = PromotionDecision
        fields = ("verdict", "decided_by", "via", "reason", "digest", "at")
        read_only_fields = fields


class PromotionSummarySerializer(serializers.ModelSerializer[PromotionRequest]):
    """A promotion request as lists show it."""

    model = serializers.CharField(source="model.name", read_only=True)
    version = serializers.IntegerField(source="candidate.number", read_only=True)
    champion = serializers.IntegerField(
        source="champion.number", read_only=True, allow_null=True, default=None
    )
    requested_by = serializers.CharField(
        source="requester", read_only=True, help_text="An account, or the portal itself."
    )
    gate = GateSummarySerializer(read_only=True)
    decisions = DecisionSerializer(many=True, read_only=True)

    class Meta:
        model = PromotionRequest
        fields: tuple[str, ...] = (
            "id",
            "model",
            "version",
            "champion",
            "state",
            "state_reason",
            "requested_by",
            "requested_via",
            "reason",
            "digest",
            "gate",
            "decisions",
            "created_at",
            "expires_at",
            "closed_at",
        )
        read_only_fields = fields


class PromotionSerializer(PromotionSummarySerializer):
    """A promotion request with the evidence that decisions bind to."""

    evidence = serializers.DictField(read_only=True)

    class Meta:
        model = PromotionRequest
        fields = (*PromotionSummarySerializer.Meta.fields, "evidence")
        read_only_fields = fields


class RollbackSerializer(serializers.Serializer[Rollback]):
    """What a rollback did."""

    move = MoveSerializer(read_only=True)
    quarantined = serializers.IntegerField(source="bad.number", read_only=True)
    restored = serializers.IntegerField(source="restored.number", read_only=True)
    restored_settings = serializers.DictField(
        source="restored.settings", read_only=True, help_text="Threshold and the like, live again."
    )
    restored_artifacts = serializers.DictField(
        source="restored.artifact_digests",
        child=serializers.CharField(),
        read_only=True,
        help_text="Files by name, the drift baseline among them.",
    )
    live_since = serializers.DateTimeField(read_only=True)
    live_until = serializers.DateTimeField(read_only=True)
    affected_predictions = serializers.DictField(source="affected", read_only=True, allow_null=True)


def reason_field(**options: Any) -> serializers.CharField:
    """Return the field for a reason; how much it must say, the service decides."""
    return serializers.CharField(max_length=MAX_CHARS, **options)


class ReasonSerializer(StrictSerializer):
    """Why."""

    reason = reason_field()


@example({"version": 2, "reason": "Finds more of the porosity on line 3."})
class AskSerializer(StrictSerializer):
    """Which version, and why."""

    version = serializers.IntegerField(min_value=1)
    reason = reason_field()


@example({"digest": "9f86d081" * 8, "reason": "Looked at both products."})
class ApproveSerializer(StrictSerializer):
    """The evidence the caller has seen, by its digest."""

    digest = serializers.CharField(max_length=64)
    reason = reason_field(required=False, allow_blank=True, default="")


@example({"digest": "9f86d081" * 8, "reason": "Worse on mold P1-B."})
class RejectSerializer(StrictSerializer):
    """The evidence the caller has seen, and why not."""

    digest = serializers.CharField(max_length=64)
    reason = reason_field()


class WithdrawSerializer(StrictSerializer):
    """Why the request is taken back, if there is something to say."""

    digest = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    reason = reason_field(required=False, allow_blank=True, default="")


@example({"reason": "Calls too many good shots bad since noon.", "to": 1})
class RollbackInputSerializer(StrictSerializer):
    """Why, and to which version unless it is the previous champion."""

    reason = reason_field()
    to = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)


class AssignSerializer(StrictSerializer):
    """Which version an alias shall point at; null takes the alias away."""

    version = serializers.IntegerField(min_value=1, allow_null=True)
    reason = reason_field()


class PolicySerializer(StrictSerializer):
    """A gate policy and why it changes; what is left out takes its default."""

    policy = serializers.DictField(help_text=f"Defaults: {Policy().to_dict()}")
    reason = reason_field()
