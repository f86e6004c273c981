"""Every exception that leaves a view, as problem details."""

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

import redis
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
    ValidationError,
)
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.utils.translation import gettext as _
from psycopg import errors as postgres_errors
from rest_framework import exceptions
from rest_framework.settings import api_settings

from portal.core.errors import FULL_ERRNOS, FieldProblem, OutOfSpace, PortalError
from portal.core.problems import Problem

logger = logging.getLogger(__name__)

TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer for Django REST framework, which keeps authentication's challenge on the exception."""
    return problem_of(exc).response()


def problem_of(exc: BaseException) -> Problem:
    """Return the problem that any exception is to the caller, and log what is ours to mend."""
    for find in (_ours, _api, _django, _database, _system):
        problem = find(exc)
        if problem is not None:
            break
    else:
        problem = unknown()
    if problem.status >= 500 and getattr(exc, "is_logged", True):
        logger.error("%s: %s", problem.code, exc, exc_info=exc)
    return problem


def unknown() -> Problem:
    """Return the problem for what nobody foresaw; it says nothing about the inside."""
    return Problem(
        500,
        "internal_error",
        _("The portal failed on this request; the log holds the details under the request id."),
    )


def _ours(exc: BaseException) -> Problem | None:
    return Problem.of(exc) if isinstance(exc, PortalError) else None


def _api(exc: BaseException) -> Problem | None:
    if isinstance(exc, exceptions.ValidationError):
        return Problem(
            422,
            "invalid_input",
            _("The input breaks a rule; “errors” names each field."),
            errors=list(_field_problems(exc.detail)),
        )
    if not isinstance(exc, exceptions.APIException):
        return None
    detail, code = exc.detail, exc.default_code
    if isinstance(detail, exceptions.ErrorDetail):
        code = detail.code or code
    headers = {}
    if isinstance(exc, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, math.ceil(getattr(exc, "wait", None) or 1)))
    return Problem(exc.status_code, code, _said(detail), headers=headers)


def _said(detail: Any) -> str:
    if isinstance(detail, list):
        return " ".join(map(str, detail))
    return str(detail)


def _field_problems(detail: Any, path: str = "") -> Iterator[FieldProblem]:
    """Flatten what serializers say into one problem a message, paths as in ``rows[2].speed``."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _field_problems(inner, _joined(path, name))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from _field_problems(
                inner, path if isinstance(inner, str) else f"{path}[{number}]"
            )
    else:
        yield FieldProblem(path, str(getattr(detail, "code", "invalid")), str(detail))


def _joined(path: str, name: object) -> str:
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)


def _django(exc: BaseException) -> Problem | None:
    if isinstance(exc, Http404):
        return Problem(404, "not_found", _("Nothing is at this address."))
    if isinstance(exc, PermissionDenied):
        return Problem(403, "refused", _("This is not allowed."))
    if isinstance(exc, TOO_LARGE):
        return Problem(413, "body_too_large", _("The body is larger than the portal takes."))
    if isinstance(exc, UnreadablePostError):
        return Problem(400, "body_unreadable", _("The body broke off; send it again."))
    if isinstance(exc, SuspiciousOperation):
        return Problem(400, "bad_request", _("The request is malformed."))
    if isinstance(exc, ValidationError):
        return Problem(
            422, "invalid_input", _("The input breaks a rule."), errors=list(_model_problems(exc))
        )
    if isinstance(exc, redis.ConnectionError | redis.TimeoutError):
        return Problem(
            503,
            "redis_unavailable",
            _("Redis does not answer; try again."),
            headers={"Retry-After": "2"},
        )
    return None


def _model_problems(exc: ValidationError) -> Iterator[FieldProblem]:
    by_field = exc.error_dict if hasattr(exc, "error_dict") else {"": exc.error_list}
    for name, found in by_field.items():
        own = "" if name == "__all__" else name
        for error in found:
            for message in error.messages:
                yield FieldProblem(own, str(error.code or "invalid"), message)


def _database(exc: BaseException) -> Problem | None:
    cause = exc.__cause__
    if isinstance(cause, postgres_errors.DiskFull):
        return _full(_("The database has no room left: free some space, then try again."))
    if isinstance(exc, DataError):
        return Problem(422, "invalid_input", _("A value is outside what can be stored."))
    if isinstance(exc, IntegrityError) and isinstance(cause, postgres_errors.UniqueViolation):
        return Problem(409, "conflict", _("Somebody made the same thing at the same time."))
    if isinstance(exc, OperationalError | InterfaceError):
        return Problem(
            503,
            "database_unavailable",
            _("The database does not answer; try again."),
            headers={"Retry-After": "2"},
        )
    if isinstance(exc, DatabaseError):
        return unknown()
    return None


def _system(exc: BaseException) -> Problem | None:
    if isinstance(exc, OSError) and exc.errno in FULL_ERRNOS:
        return _full(
            _("There is no room left to take the data in: free some space, then try again.")
        )
    return None


def _full(detail: str) -> Problem:
    return Problem(OutOfSpace.status, OutOfSpace.code, detail)
