"""Examples in the OpenAPI document; a test sends each to its address."""

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer


def example(body: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return a decorator that shows a body beside every request of a serializer's shape."""
    shown = OpenApiExample("A request", value=dict(body), request_only=True)
    decorate: Callable[[Any], Any] = extend_schema_serializer(examples=[shown])
    return decorate
