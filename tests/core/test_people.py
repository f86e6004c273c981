"""What an administrator who is no superuser can do to people and roles on the admin pages."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from portal.core import roles
from portal.core.models import AuditEntry, User

pytestmark = pytest.mark.django_db
People = Callable[..., User]
BREAK_GLASS = "break_glass"


@pytest.fixture
def people(person: People) -> dict[str, User]:
    """Make a superuser, an administrator and somebody in no role."""
    return {
        "root": person("root", is_superuser=True, is_staff=True),
        "boss": person("boss", roles.ADMINISTRATOR, is_staff=True),
        "kim": person("kim", is_staff=True),
    }


@pytest.fixture
def browser(people: dict[str, User]) -> Callable[[str], Client]:
    """Give ``browser("boss")``: that person signed in, reading English."""

    def sign_in(name: str) -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(people[name])
        return client

    return sign_in


def give_role(client: Client, user: User, *groups: Group) -> None:
    address = reverse("admin:core_user_change", args=[user.pk])
    form = {"username": user.username, "is_active": "on", "is_staff": "on"}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    client.post(address, {**form, **joined, "groups": [group.pk for group in groups]})


def fill_role(client: Client, group: Group, *extra: Permission) -> str:
    held = [*group.permissions.values_list("pk", flat=True), *(item.pk for item in extra)]
    address = reverse("admin:auth_group_change", args=[group.pk])
    return client.post(address, {"name": group.name, "permissions": held}, follow=True).text


def test_an_administrator_gives_the_roles_below_their_own(
    people: dict[str, User], browser: Callable[[str], Client]
) -> None:
    give_role(browser("boss"), people["kim"], Group.objects.get(name=roles.APPROVER))
    assert people["kim"].groups.get().name == roles.APPROVER


def test_an_administrator_cannot_add_break_glass_to_a_role(
    browser: Callable[[str], Client],
) -> None:
    role = Group.objects.get(name=roles.ADMINISTRATOR)
    page = fill_role(browser("boss"), role, Permission.objects.get(codename=BREAK_GLASS))
    assert "a superuser can grant it" in page
    assert not role.permissions.filter(codename=BREAK_GLASS).exists()


def test_an_administrator_cannot_give_a_role_that_holds_more_than_their_own(
    people: dict[str, User], browser: Callable[[str], Client]
) -> None:
    emergency = Group.objects.create(name="emergency")
    emergency.permissions.add(Permission.objects.get(codename=BREAK_GLASS))
    give_role(browser("boss"), people["boss"], emergency)
    assert list(people["boss"].groups.values_list("name", flat=True)) == [roles.ADMINISTRATOR]


def test_an_administrator_keeps_what_a_superuser_added_to_a_role(
    browser: Callable[[str], Client],
) -> None:
    role = Group.objects.get(name=roles.VIEWER)
    role.permissions.add(Permission.objects.get(codename=BREAK_GLASS))
    fill_role(browser("boss"), role, Permission.objects.get(codename="cancel_run"))
    held = set(role.permissions.values_list("codename", flat=True))
    assert {BREAK_GLASS, "cancel_run"} <= held


def test_a_superuser_may_add_break_glass_to_a_role(browser: Callable[[str], Client]) -> None:
    role = Group.objects.get(name=roles.APPROVER)
    fill_role(browser("root"), role, Permission.objects.get(codename=BREAK_GLASS))
    assert role.permissions.filter(codename=BREAK_GLASS).exists()


@pytest.mark.parametrize("page", ["core_user_change", "auth_user_password_change"])
def test_an_administrator_cannot_change_a_superuser(
    people: dict[str, User], browser: Callable[[str], Client], page: str
) -> None:
    before = people["root"].password
    secret = {"password1": "a long enough phrase", "password2": "a long enough phrase"}
    address = reverse(f"admin:{page}", args=[people["root"].pk])
    answer = browser("boss").post(address, {"usable_password": "true", "is_active": "", **secret})
    people["root"].refresh_from_db()
    assert answer.status_code == 403
    assert (people["root"].password, people["root"].is_active) == (before, True)


def test_the_audit_log_says_that_a_password_was_set_for_somebody(
    people: dict[str, User], browser: Callable[[str], Client]
) -> None:
    secret = {"password1": "a long enough phrase", "password2": "a long enough phrase"}
    address = reverse("admin:auth_user_password_change", args=[people["kim"].pk])
    browser("boss").post(address, {"usable_password": "true", **secret})
    entry = AuditEntry.objects.get(action="user.change")
    assert (entry.target, entry.actor) == ("kim", "boss")
    assert entry.detail["changed"] == ["password"]


def test_what_is_done_in_the_admin_bears_the_request_s_id(
    people: dict[str, User], browser: Callable[[str], Client]
) -> None:
    address = reverse("admin:core_user_change", args=[people["kim"].pk])
    form = {"username": "kim2", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = browser("boss").post(address, form)
    assert AuditEntry.objects.get(action="user.change").request_id == answer["X-Request-ID"]


def test_the_page_that_deletes_a_role_names_no_joining_rows(
    people: dict[str, User], browser: Callable[[str], Client]
) -> None:
    role = Group.objects.get(name=roles.APPROVER)
    people["kim"].groups.add(role)
    page = browser("root").get(reverse("admin:auth_group_delete", args=[role.pk])).text
    assert role.name in page
    assert "object (" not in page
