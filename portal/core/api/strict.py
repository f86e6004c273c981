"""Input whose every field is known: a misspelt one must not go unnoticed."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

NON_FIELD_ERRORS_KEY = api_settings.NON_FIELD_ERRORS_KEY


class StrictSerializer(serializers.Serializer[dict[str, Any]]):
    """An input whose unknown fields are refused, as the API's lists refuse unknown filters."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is None and self.parent is None:  # which the framework names in English only
            nothing = _("The body is null; give an object with the fields of this address.")
            raise serializers.ValidationError({NON_FIELD_ERRORS_KEY: [nothing]}, code="null")
        return super().run_validation(data)

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
