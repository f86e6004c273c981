"""Who is acting: a person, a program with a key, a schedule or the portal itself."""

from dataclasses import dataclass, field

from django.contrib.auth.models import Permission
from django.db.models import Q
from django.utils.translation import gettext as _

from portal.core.errors import Refused
from portal.core.models import User


@dataclass(frozen=True)
class Actor:
    """The one behind an action, as services and the audit log see it."""

    name: str
    via: str
    user_id: int | None = None
    key_prefix: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""

    @classmethod
    def system(cls, name: str, *, via: str = "system") -> "Actor":
        """Return the actor for work that nobody asked for in person."""
        return cls(name=name, via=via)

    @classmethod
    def of_user(cls, user: User, *, via: str, request_id: str = "") -> "Actor":
        """Return the actor for a signed-in person or a command run in their name."""
        return cls(name=user.get_username(), via=via, user_id=user.pk, request_id=request_id)

    @property
    def is_person(self) -> bool:
        """Whether an account stands behind the action."""
        return self.user_id is not None

    def holds(self, permission: str) -> bool:
        """Whether the account was granted the permission by a role or by name.

        Being a superuser does not count: what puts a model live must have been granted on purpose.
        """
        if self.user_id is None:
            return False
        app_label, codename = permission.split(".", 1)
        granted = Q(group__user=self.user_id) | Q(user=self.user_id)
        wanted = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
        return (
            User.objects.filter(pk=self.user_id, is_active=True).exists()
            and wanted.filter(granted).exists()
        )

    def require(self, permission: str) -> None:
        """Raise :class:`Refused` unless the account holds the permission."""
        if not self.holds(permission):
            raise Refused(
                _(
                    "%(name)s does not hold the permission “%(permission)s”; "
                    "an administrator can grant it by a role."
                )
                % {"name": self.name, "permission": permission},
                code="permission_missing",
            )
