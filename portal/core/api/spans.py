"""Spans of time that callers ask for."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from portal.core.api.strict import StrictSerializer

# Ours: nothing was recorded before, and spans are added to and taken from what is asked for.
FIRST_YEAR, LAST_YEAR = 1970, 9000


class MomentField(serializers.DateTimeField):
    """A moment with which one can reckon."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise serializers.ValidationError(
                _("%(seen)s lies outside the years %(first)d to %(last)d.")
                % {"seen": moment.isoformat(), "first": FIRST_YEAR, "last": LAST_YEAR},
                code="range",
            )
        return moment


class SpanSerializer(StrictSerializer):
    """From a moment on, up to another; a span that ends before it begins is refused, not empty."""

    since = MomentField(required=False, allow_null=True)
    until = MomentField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        since, until = attrs.get("since"), attrs.get("until")
        if since is not None and until is not None and since >= until:
            wrong = _("“until” is %(until)s and must lie after “since”, which is %(since)s.") % {
                "until": until.isoformat(),
                "since": since.isoformat(),
            }
            raise serializers.ValidationError({"until": [wrong]}, code="order")
        return attrs


__all__ = ["MomentField", "SpanSerializer"]
