"""Request bodies."""

from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from portal.core import strict_json


class StrictJSONParser(BaseParser):
    """``application/json`` under the rules of :mod:`portal.core.strict_json`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Through the request, so that the size limit holds.
        request = (parser_context or {})["request"]
        return parse(request._request.body)


def parse(raw: bytes) -> Any:
    """Return the value of a JSON body, or raise the API's error for it."""
    try:
        return strict_json.loads(raw)
    except strict_json.StrictJSONError as exc:
        raise ParseError(
            _("The body is not acceptable JSON: %(why)s.") % {"why": exc}, code="malformed_json"
        ) from exc
