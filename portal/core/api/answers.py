"""Small pieces of answers that every part of the API gives the same way."""

import uuid
from typing import Any, Protocol

from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.actors import Actor
from portal.core.api.authentication import principal_of


class RunLike(Protocol):
    """Anything with the id of a run."""

    id: uuid.UUID


def actor_of(request: HttpRequest | Request) -> Actor:
    """Return who acts, as services want it."""
    principal = principal_of(request)
    if principal is None:
        raise NotAuthenticated
    return principal.actor


def accepted(run: RunLike, body: Any = None) -> Response:
    """Return 202 with the run's address, and the run as given in the body."""
    content = {"id": str(run.id)} if body is None else body
    location = f"/api/v1/runs/{run.id}/"
    return Response(content, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
