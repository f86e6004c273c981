"""The frame of console pages that belong to no table: the admin's header and sidebar."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse

from portal.core.admin.base import grants_of


def page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> TemplateResponse:
    """Return one of our templates inside the admin's frame."""
    request.current_app = admin.site.name
    everything = {**admin.site.each_context(request), "grants": grants_of(request), **context}
    return TemplateResponse(request, template, everything, status=status)


def require_view(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless the person may look; a superuser may look everywhere."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
