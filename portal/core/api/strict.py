"""Input whose every field is known: a misspelt one must not go unnoticed."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers


class StrictSerializer(serializers.Serializer[dict[str, Any]]):
    """An input whose unknown fields are refused, as the API's lists refuse unknown filters."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = {
                str(name): [_("There is no such field; known are: %s.") % ", ".join(self.fields)]
                for name in data
                if name not in self.fields
            }
            if unknown:
                raise serializers.ValidationError(unknown, code="unknown")
        return super().to_internal_value(data)
