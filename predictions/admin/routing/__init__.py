"""Admin pages of the routing family."""

from predictions.admin.routing import decisions, proposals

__all__ = ["decisions", "proposals"]
