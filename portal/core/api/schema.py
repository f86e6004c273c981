"""The OpenAPI document: always in English, errors and keys described once for all addresses."""

from typing import Any

from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from portal.core.idempotency import HEADER
from portal.core.problems import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "description": "Why the request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people; the language is negotiated."},
        "code": {"type": "string", "description": "For programs; does not change."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
IDEMPOTENCY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        "Repeat a request with the same key and body and get the first answer again, for 24 hours; "
        "with another body the answer is 409."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class EnglishGenerator(SchemaGenerator):
    """Makes the same document whatever the language of the process or the caller."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        with translation.override("en"):
            return super().get_schema(request, public)  # type: ignore[no-untyped-call]  # untyped


class PortalAutoSchema(AutoSchema):
    """Adds to every operation what the API's base gives it."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        operation["responses"].setdefault("default", {"$ref": "#/components/responses/Problem"})
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower())
        if getattr(handler, "is_idempotent", False):
            operation["parameters"] = [*operation.get("parameters", []), IDEMPOTENCY_PARAMETER]
        return operation


def add_problem(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the shape of an error to the components (a postprocessing hook)."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {
        "Problem": {
            "description": "The request was refused.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    return result


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped
    """How a key is sent."""

    target_class = "portal.core.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mw_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped
    """How a browser is known."""

    target_class = "portal.core.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
