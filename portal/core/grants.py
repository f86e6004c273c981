"""What the person behind a request was granted on purpose."""

from django.contrib.auth.models import Permission
from django.db.models import Q
from django.http import HttpRequest


def grants_of(request: HttpRequest) -> frozenset[str]:
    """Return the permissions granted to the person by name or by a role, read once per request.

    Unlike ``has_perm`` this does not count the superuser flag: what puts a model live must have
    been granted on purpose. Services check again; here it only decides which buttons are drawn.
    """
    known: frozenset[str] | None = getattr(request, "_portal_grants", None)
    if known is None:
        person = request.user.pk
        rows = Permission.objects.filter(Q(group__user=person) | Q(user=person))
        pairs = rows.values_list("content_type__app_label", "codename")
        known = frozenset(f"{app}.{codename}" for app, codename in pairs)
        request._portal_grants = known  # type: ignore[attr-defined]  # kept for this request only
    return known
