"""What keys, audit entries and alerts look like from outside."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from portal.core.api.examples import example
from portal.core.api.strict import StrictSerializer
from portal.core.models import Alert, ApiKey, AuditEntry, Scope, User


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key without its secret."""

    user = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), read_only=True)

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "name",
            "prefix",
            "user",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields = fields


class CreatedKeySerializer(KeySerializer):
    """A new key with its secret, which is shown this once."""

    key = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The secret; null when the answer is given again for the same Idempotency-Key.",
    )

    class Meta:
        model = ApiKey
        fields = (*KeySerializer.Meta.fields, "key")
        read_only_fields = fields


@example({"name": "line 4", "scopes": ["read", "predict"], "expires_at": "2036-01-01T00:00:00Z"})
class NewKeySerializer(StrictSerializer):
    """What a new key shall be."""

    name = serializers.CharField(max_length=120)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), min_length=1)
    user = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        required=False,
        help_text=_("The account it acts for; without one, yours."),
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One entry of the chain."""

    class Meta:
        model = AuditEntry
        fields = (
            "number",
            "at",
            "actor",
            "via",
            "action",
            "outcome",
            "target",
            "reason",
            "detail",
            "request_id",
            "previous_digest",
            "digest",
        )
        read_only_fields = fields


@example({"reason": "The pump was replaced."})
class ResolveSerializer(StrictSerializer):
    """Why an alert is over."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=2_000, default="")


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """One alert."""

    message = serializers.CharField(source="said", read_only=True)
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Alert
        fields = (
            "id",
            "key",
            "severity",
            "message",
            "url",
            "n_times",
            "first_at",
            "last_at",
            "acknowledged_at",
            "acknowledged_by",
            "resolved_at",
        )
        read_only_fields = fields
