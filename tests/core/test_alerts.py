from collections.abc import Callable

import pytest

from portal.core.actors import Actor
from portal.core.alerts import acknowledge, raise_alert, resolve, resolve_alert
from portal.core.errors import Conflict, Refused
from portal.core.models import Alert, AuditEntry, User

pytestmark = pytest.mark.django_db
People = Callable[..., User]


def test_an_alert_that_happens_again_is_counted_on_its_open_row() -> None:
    first = raise_alert("disk", "warning", "80 % full", "/disk/")
    again = raise_alert("disk", "critical", "95 % full", "/disk/")
    assert (again.pk, again.n_times, again.first_at) == (first.pk, 2, first.first_at)
    assert (again.severity, again.message) == ("critical", "95 % full")
    assert again.last_at > first.last_at


def test_a_resolved_alert_that_happens_again_is_a_new_one() -> None:
    first = raise_alert("disk", "warning", "full")
    assert resolve_alert("disk")
    second = raise_alert("disk", "warning", "full")
    assert (second.pk != first.pk, second.n_times) == (True, 1)
    assert Alert.objects.open().get() == second


def test_resolving_what_is_not_open_says_so() -> None:
    assert not resolve_alert("disk")


def test_a_severity_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        raise_alert("disk", "loud", "full")


def test_an_administrator_acknowledges_once(person: People) -> None:
    user = person("lee", "administrator")
    actor = Actor.of_user(user, via="person")
    alert = acknowledge(raise_alert("disk", "warning", "full"), actor)
    assert alert.acknowledged_by == user
    with pytest.raises(Conflict, match="already acknowledged"):
        acknowledge(alert, actor)


def test_a_resolved_alert_is_not_acknowledged(person: People) -> None:
    actor = Actor.of_user(person("lee", "administrator"), via="person")
    alert = raise_alert("disk", "warning", "full")
    resolve_alert("disk")
    with pytest.raises(Conflict):
        acknowledge(alert, actor)


def test_a_person_resolves_what_is_over_and_it_may_come_again(person: People) -> None:
    actor = Actor.of_user(person("lee", "administrator"), via="person")
    alert = resolve(raise_alert("rollback", "critical", "v3 to v2"), actor)
    assert alert.resolved_at is not None
    assert AuditEntry.objects.get().action == "alert.resolve"
    with pytest.raises(Conflict, match="already resolved"):
        resolve(alert, actor)
    assert raise_alert("rollback", "critical", "v4 to v2").pk != alert.pk


@pytest.mark.parametrize("change", [acknowledge, resolve])
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_change_alerts_changes_none(
    person: People, role: str, change: Callable[..., Alert]
) -> None:
    alert = raise_alert("disk", "warning", "full")
    with pytest.raises(Refused, match=r"core\.change_alert"):
        change(alert, Actor.of_user(person("kim", role), via="person"))


@pytest.mark.django_db(transaction=True)
def test_raised_at_once_by_many_it_is_still_one_row(in_threads: Callable[..., None]) -> None:
    in_threads(lambda number: [raise_alert("disk", "warning", str(number)) for _ in range(10)], 4)
    assert Alert.objects.get().n_times == 40
