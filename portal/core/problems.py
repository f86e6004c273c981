"""Problem details (RFC 9457): the one shape of every answer that says no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
from django.http import HttpResponse

from portal.core.errors import FieldProblem, PortalError
from portal.core.request_context import current_request_id

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="Millwright API"'


@dataclass(frozen=True)
class Problem:
    """What went wrong, for a program (`code`, `errors`) and for a reader (`title`, `detail`)."""

    status: int
    code: str
    detail: str
    title: str = ""
    errors: Sequence[FieldProblem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: PortalError) -> "Problem":
        """Return the problem that one of the product's own errors states."""
        headers = {"Retry-After": str(error.retry_after_s)} if error.retryable else {}
        return cls(
            status=error.status,
            code=error.specific_code,
            detail=str(error),
            title=str(error.title),
            errors=error.problems,
            headers=headers,
        )

    def to_dict(self) -> dict[str, object]:
        """Return the body of the answer."""
        return {
            "type": f"urn:millwright:problem:{self.code}",
            "title": self.title or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [
                {"field": item.field, "code": item.code, "message": str(item.message)}
                for item in self.errors
            ],
            "request_id": current_request_id(),
        }

    def response(self) -> HttpResponse:
        """Return the answer itself."""
        challenge = {"WWW-Authenticate": CHALLENGE} if self.status == 401 else {}
        return HttpResponse(
            msgspec.json.encode(self.to_dict()),
            content_type=MEDIA_TYPE,
            status=self.status,
            headers={"Cache-Control": "no-store", **challenge, **self.headers},
        )
