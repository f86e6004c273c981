from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from portal.core import roles
from portal.core.actors import Actor
from portal.core.errors import Refused
from portal.core.models import User

pytestmark = pytest.mark.django_db
People = Callable[..., User]


def test_a_fresh_portal_has_the_four_roles() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(roles.ROLES)


@pytest.mark.parametrize(
    ("role", "permission", "held"),
    [
        ("viewer", "core.view_alert", True),
        ("viewer", "core.view_auditentry", True),
        ("viewer", "core.change_alert", False),
        ("operator", "core.view_alert", True),
        ("operator", "core.add_user", False),
        ("approver", "core.add_apikey", False),
        ("administrator", "core.add_user", True),
        ("administrator", "core.add_apikey", True),
        ("administrator", "core.change_alert", True),
        ("administrator", "auth.change_group", True),
        ("administrator", "registry.break_glass", False),
    ],
)
def test_a_role_holds_what_it_should(
    person: People, role: str, permission: str, held: bool
) -> None:
    actor = Actor.of_user(person("kim", role), via="person")
    assert actor.holds(permission) is held


@pytest.mark.parametrize("role", roles.ROLES)
def test_no_role_may_break_the_glass_or_touch_the_audit_log(role: str) -> None:
    held = Permission.objects.filter(group__name=role).values_list("codename", flat=True)
    forbidden = {"break_glass", "add_auditentry", "change_auditentry", "delete_auditentry"}
    assert not forbidden.intersection(held)


def test_granting_twice_changes_nothing() -> None:
    before = Permission.objects.count()
    roles.grant(apps, roles.VIEWER, ["core.view_alert"])
    roles.grant(apps, roles.VIEWER, ["core.view_alert"])
    assert Permission.objects.count() == before


def test_a_permission_not_written_yet_is_written_as_django_would() -> None:
    Permission.objects.filter(codename="change_alert").delete()
    roles.grant(apps, roles.VIEWER, ["core.change_alert"])
    permission = Permission.objects.get(codename="change_alert")
    assert (permission.name, permission.content_type.model) == ("Can change alert", "alert")


@pytest.mark.parametrize(
    ("role", "permission"), [("chief", "core.view_alert"), ("viewer", "core.fly_alert")]
)
def test_a_misspelt_grant_stops_the_migration(role: str, permission: str) -> None:
    with pytest.raises(LookupError, match=r"chief|fly_alert"):
        roles.grant(apps, role, [permission])


def test_a_superuser_holds_only_what_was_granted(person: People) -> None:
    actor = Actor.of_user(person("root", is_superuser=True), via="person")
    assert not actor.holds("core.change_alert")
    with pytest.raises(Refused, match=r"core\.change_alert"):
        actor.require("core.change_alert")


def test_a_permission_granted_by_name_counts(person: People) -> None:
    user = person()
    user.user_permissions.add(Permission.objects.get(codename="change_alert"))
    assert Actor.of_user(user, via="person").holds("core.change_alert")


def test_an_inactive_account_holds_nothing(person: People) -> None:
    user = person("kim", "administrator", is_active=False)
    assert not Actor.of_user(user, via="person").holds("core.change_alert")


def test_the_portal_itself_holds_nothing() -> None:
    assert not Actor.system("sweeper").holds("core.view_alert")
