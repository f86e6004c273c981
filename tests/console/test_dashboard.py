"""The dashboard: what runs, what waits, what is live, what is wrong, and the next step."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from portal.console import selectors
from portal.core import alerts
from portal.core.actors import Actor
from portal.core.models import AuditEntry, User
from portal.lib import clock
from portal.registry.models import AliasMove, PromotionRequest, RegisteredModel
from portal.runs import kinds, leases, services
from portal.runs.models import Artifact, Heartbeat, Run, State
from predictions.models import Dataset
from tests.console import world


def dashboard(client: Client) -> str:
    return client.get(reverse("admin:index")).text


def test_an_empty_portal_says_the_first_step(signed_in: Callable[..., Client]) -> None:
    text = dashboard(signed_in("operator"))
    assert "mw-step-next" in text
    assert reverse("admin:predictions_dataset_add") in text
    assert "No data set yet" in text


def test_the_steps_move_on_with_the_work(dataset: Dataset) -> None:
    assert selectors.progress().next_step == "train"


def test_generated_data_is_no_step(dataset: Dataset) -> None:
    Dataset.objects.update(is_synthetic=True)
    assert selectors.progress().next_step == "import"


def test_an_index_of_documents_is_no_trained_model(dataset: Dataset, artifact: Artifact) -> None:
    index = world.model("search-knowledge")
    made = world.version(index, artifact, number=1, is_synthetic=False)
    assert selectors.progress().next_step == "ask"

    RegisteredModel.objects.filter(pk=made.model_id).update(family="search-index")
    assert selectors.progress().next_step == "train"


def test_a_viewer_is_not_sent_to_what_is_not_allowed(signed_in: Callable[..., Client]) -> None:
    assert reverse("admin:predictions_dataset_add") not in dashboard(signed_in("viewer"))


def test_a_request_waits_for_the_approver_only(
    person: Callable[..., User], request_of: PromotionRequest
) -> None:
    approver, asker = person("approver"), User.objects.get(username="operator")
    assert list(selectors.overview(approver).waiting) == [request_of]
    theirs = selectors.overview(asker)
    assert not theirs.waiting
    assert list(theirs.open_elsewhere) == [request_of]


def test_what_is_live_names_who_put_it_there(
    signed_in: Callable[..., Client], champion: AliasMove
) -> None:
    text = dashboard(signed_in("viewer"))
    assert "version 1" in text
    assert "put there by millwright (First version)" in text


def test_missing_processes_are_named(db: None) -> None:
    assert [silence.role for silence in selectors.silent()] == ["worker", "beat", "recorder"]
    for role in selectors.ROLES:
        Heartbeat.objects.create(name=role, role=role, host="h", pid=1, detail={"queues": []})
    assert selectors.silent() == []


def test_an_old_heartbeat_is_silence(db: None) -> None:
    long_ago = clock.now() - timedelta(minutes=5)
    Heartbeat.objects.create(name="beat", role="beat", host="h", pid=1, at=long_ago)
    silent = {silence.role: silence.last_seen for silence in selectors.silent()}
    assert silent["beat"] == long_ago


def test_a_queue_without_a_worker_is_named_once_something_waits(db: None) -> None:
    for role in selectors.ROLES:
        detail = {"queues": ["train"]} if role == "worker" else {}
        Heartbeat.objects.create(name=role, role=role, host="h", pid=1, detail=detail)
    Run.objects.create(kind="portal.selftest", queue="bench")
    Run.objects.create(kind="portal.selftest", queue="train")
    assert [silence.queue for silence in selectors.silent()] == ["bench"]


@pytest.fixture
def dead(run: Run) -> Run:
    """Give a run that ended in an error."""
    ended = leases.Outcome(State.ERRORED, error_message="The worker died.")
    leases.change(Run.objects.filter(pk=run.pk), run.pk, ended)
    run.refresh_from_db()
    return run


def test_troubles_show_alerts_and_dead_letters(signed_in: Callable[..., Client], dead: Run) -> None:
    alerts.raise_alert("disk", "critical", "The disk is nearly full.")
    text = dashboard(signed_in("viewer"))
    assert "The disk is nearly full." in text
    assert text.count("Train on May") == text.count("Dead letter: Train on May") + 1  # lately ended
    assert selectors.overview(User(pk=0, username="x")).n_troubles == 2 + len(selectors.silent())


def test_a_retried_dead_letter_is_no_trouble_any_more(dead: Run) -> None:
    assert selectors.overview(User(pk=0, username="x")).dead == [dead]
    services.retry(run_id=dead.pk, actor=Actor.system("test"))
    assert not selectors.overview(User(pk=0, username="x")).dead


def test_a_dismissed_dead_letter_is_no_trouble_any_more(
    signed_in: Callable[..., Client], dead: Run
) -> None:
    client, page = signed_in("operator"), reverse("admin:runs_run_dismiss", args=[dead.pk])
    assert page in client.get(reverse("admin:runs_run_change", args=[dead.pk])).text
    client.post(page, {"reason": " "})
    assert selectors.overview(User(pk=0, username="x")).dead == [dead]
    client.post(page, {"reason": "The file was a test."})
    assert not selectors.overview(User(pk=0, username="x")).dead
    entry = AuditEntry.objects.get(action="run.dismiss")
    assert (entry.reason, entry.outcome) == ("The file was a test.", "done")
    assert page not in client.get(reverse("admin:runs_run_change", args=[dead.pk])).text


@pytest.mark.parametrize(
    "kind", ["registry.rollback.castings.4", "registry.break_glass.castings.5"]
)
def test_what_happened_leaves_the_dashboard_when_a_person_says_it_is_over(
    signed_in: Callable[..., Client], kind: str
) -> None:
    alert = alerts.raise_alert(kind, "critical", "Lee rolled castings back.")
    client, page = signed_in("administrator"), reverse("admin:core_alert_change", args=[alert.pk])
    assert page in dashboard(client)
    client.post(reverse("admin:core_alert_resolve", args=[alert.pk]))
    assert page not in dashboard(client)


@pytest.mark.parametrize("kind", kinds.all(), ids=lambda kind: kind.kind)
def test_every_kind_of_run_has_a_name_of_its_own_in_korean(kind: kinds.RunKind) -> None:
    with translation.override("ko"):
        name = kinds.title_of(kind.kind)
    assert re.search("[가-힣]", name), name


def test_a_run_without_a_title_bears_the_name_of_its_kind_on_the_dashboard(
    signed_in: Callable[..., Client], run: Run
) -> None:
    Run.objects.filter(pk=run.pk).update(title="", kind="monitoring.remove_idempotency_records")
    text = dashboard(signed_in("viewer"))
    assert "Remove old idempotency records" in text
    assert "monitoring.remove" not in text


def test_what_runs_is_refreshed_apart(signed_in: Callable[..., Client], run: Run) -> None:
    text = signed_in("viewer").get(reverse("admin:runs_run_active")).text
    assert "Train on May" in text
    assert 'aria-valuenow="40"' in text
    assert "<html" not in text
