"""Every page answers for those who may see it and for nobody else."""

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from portal.core import alerts, audit, keys
from portal.core.actors import Actor
from portal.core.models import AuditEntry, User
from portal.lib import clock
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest
from portal.runs.models import Run, RunEvent
from predictions.models import Dataset, Prediction

SYSTEM = Actor.system("test")
LISTS = [
    "runs_run",
    "runs_schedule",
    "predictions_dataset",
    "predictions_ablation",
    "predictions_prediction",
    "predictions_explanation",
    "predictions_outcome",
    "predictions_routingprediction",
    "predictions_routingoutcome",
    "registry_registeredmodel",
    "search_collection",
    "search_document",
    "search_judgedquery",
    "search_searchrecord",
    "lab_campaign",
    "tuning_study",
    "tuning_instance",
    "registry_modelversion",
    "registry_promotionrequest",
    "core_alert",
    "monitoring_alertrule",
    "monitoring_channel",
    "monitoring_chataccount",
    "monitoring_delivery",
    "monitoring_silence",
    "core_auditentry",
    "core_apikey",
    "core_user",
    "auth_group",
    "django_celery_beat_periodictask",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_clockedschedule",
]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_answers(name: str, signed_in: Callable[..., Client]) -> None:
    client = signed_in("administrator", is_superuser=True)
    answer = client.get(reverse(f"admin:{name}_changelist"))
    assert answer.status_code == 200
    assert "unfold/css/styles.css" in answer.text


def test_a_list_is_called_by_its_name(signed_in: Callable[..., Client]) -> None:
    address = reverse("admin:runs_run_changelist")
    page = signed_in("administrator").get(address, headers={"accept-language": "ko"})
    title = page.content.decode().split("<title>")[1].split("</title>")[0]
    assert title.strip().startswith("실행 |")


@pytest.mark.parametrize(
    "name",
    [
        "core_user",
        "auth_group",
        "predictions_dataset",
        "core_apikey",
        "monitoring_alertrule",
        "monitoring_channel",
        "monitoring_silence",
    ],
)
def test_every_form_for_a_new_row_answers(name: str, signed_in: Callable[..., Client]) -> None:
    client = signed_in("administrator", is_superuser=True)
    assert client.get(reverse(f"admin:{name}_add")).status_code == 200


def test_a_viewer_sees_the_rows_and_no_button(
    signed_in: Callable[..., Client],
    run: Run,
    dataset: Dataset,
    request_of: PromotionRequest,
    champion: AliasMove,
) -> None:
    client = signed_in("viewer")
    pages = {
        reverse("admin:runs_run_change", args=[run.pk]): "Cancel</a>",
        reverse("admin:predictions_dataset_change", args=[dataset.pk]): ">Train</a>",
        reverse("admin:registry_promotionrequest_change", args=[request_of.pk]): "Approve</button>",
        reverse("admin:registry_modelversion_change", args=[request_of.candidate_id]): "Quarantine",
        reverse("admin:registry_registeredmodel_change", args=[request_of.model_id]): "Roll back",
    }
    for address, button in pages.items():
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert button not in answer.text


def test_somebody_without_a_role_is_refused(
    person: Callable[..., User], run: Run, version: ModelVersion
) -> None:
    client = Client()
    client.force_login(person("nobody"))
    assert client.get(reverse("admin:runs_run_change", args=[run.pk])).status_code == 403
    assert client.get(reverse("admin:registry_modelversion_change", args=[1])).status_code == 403
    assert client.get(reverse("admin:runs_run_active")).status_code == 403


def test_a_row_that_does_not_exist_is_not_found(signed_in: Callable[..., Client]) -> None:
    client = signed_in("viewer")
    for address in ("runs/run/none", "registry/modelversion/999", "predictions/dataset/x"):
        assert client.get(f"/admin/{address}/change/").status_code == 404


@pytest.mark.parametrize(
    "name", ["runs_run", "registry_modelversion", "registry_promotionrequest", "core_auditentry"]
)
def test_evidence_cannot_be_added_or_deleted(name: str, signed_in: Callable[..., Client]) -> None:
    client = signed_in("administrator", is_superuser=True)
    assert client.get(reverse(f"admin:{name}_add")).status_code == 403
    delete = reverse(f"admin:{name}_delete", args=["1"])
    assert client.post(delete, {"post": "yes"}).status_code in {302, 403, 404}


def test_the_run_page_escapes_what_the_work_says(
    signed_in: Callable[..., Client], run: Run
) -> None:
    RunEvent.objects.create(run=run, type="log", level="info", message="<script>alert(1)</script>")
    answer = signed_in("viewer").get(reverse("admin:runs_run_change", args=[run.pk]))
    assert "<script>alert(1)" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_a_model_card_brings_no_markup_of_its_own(
    signed_in: Callable[..., Client], version: ModelVersion
) -> None:
    page = reverse("admin:registry_modelversion_change", args=[version.pk])
    text = signed_in("viewer").get(page).text
    assert "<strong>card</strong>" in text
    assert "&lt;b&gt;no HTML&lt;/b&gt;" in text


def test_the_version_page_shows_figures_beside_baselines(
    signed_in: Callable[..., Client], version: ModelVersion
) -> None:
    page = reverse("admin:registry_modelversion_change", args=[version.pk])
    text = signed_in("viewer").get(page).text
    assert "0.400 … 0.600" in text
    assert "Constant" in text
    assert '<svg class="mw-plot"' in text
    assert "3 of 100 rows (3.0%) are exact copies" in text
    assert "Exact copies" in text


def test_a_prediction_names_the_key_and_the_features(
    signed_in: Callable[..., Client], person: Callable[..., User], version: ModelVersion
) -> None:
    key, _plain = keys.create_key(
        user=person("operator"), name="press 4", scopes=["predict"], actor=SYSTEM
    )
    prediction = Prediction.objects.create(
        id=uuid.uuid4(),
        version=version,
        at=clock.now(),
        features={"Velocity_1": 0.164, "Cycle_Time": None},
        probability=0.066,
        predicted_class="ok",
        confidence="medium",
        latency_ms=0.14,
        principal=f"key:{key.pk}",
    )
    page = reverse("admin:predictions_prediction_change", args=[prediction.pk])
    text = signed_in("viewer").get(page).text
    assert "press 4" in text
    assert "0.164" in text
    assert "6.6 %" in text


def test_an_alert_is_acknowledged_by_post_only(signed_in: Callable[..., Client]) -> None:
    alert = alerts.raise_alert("disk", "warning", "The disk is nearly full.")
    client = signed_in("administrator")
    address = reverse("admin:core_alert_acknowledge", args=[alert.pk])
    client.get(address)
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    client.post(address)
    alert.refresh_from_db()
    assert alert.acknowledged_by is not None
    assert alert.acknowledged_by.username == "administrator"


def test_an_alert_is_resolved_by_post_only(signed_in: Callable[..., Client]) -> None:
    client = signed_in("administrator")
    alert = alerts.raise_alert("disk", "warning", "The disk is nearly full.")
    address = reverse("admin:core_alert_resolve", args=[alert.pk])
    client.get(address)
    alert.refresh_from_db()
    assert alert.resolved_at is None
    page = client.post(address, follow=True).text
    assert "Mark as resolved" not in page
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_the_audit_list_says_that_the_chain_is_whole(signed_in: Callable[..., Client]) -> None:
    audit.record(SYSTEM, "test.entry", "something")
    client = signed_in("viewer")
    client.post(reverse("admin:core_auditentry_verify"))
    answer = client.get(reverse("admin:core_auditentry_changelist"))
    assert "Chain verified." in answer.text


def test_a_key_is_shown_once(signed_in: Callable[..., Client], person: Callable[..., User]) -> None:
    client = signed_in("administrator")
    owner = person("operator")
    wanted = {"name": "press 4", "user": owner.pk, "scopes": ["read"], "expires_in_days": 7}
    made = client.post(reverse("admin:core_apikey_add"), wanted)
    key = owner.api_keys.get()
    plain = made.context["plain"]
    assert plain in made.text
    assert "no-store" in made.headers["Cache-Control"]
    page = client.get(reverse("admin:core_apikey_change", args=[key.pk]))
    assert plain not in page.text
    assert key.prefix in page.text


def test_a_refused_key_is_a_message_not_an_error(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    owner = person("operator")
    wanted = {"name": "mine", "user": owner.pk, "scopes": ["promote"], "expires_in_days": ""}
    answer = signed_in("administrator").post(reverse("admin:core_apikey_add"), wanted)
    assert answer.status_code == 200
    assert "can be made only by the person it acts for" in answer.text
    assert not owner.api_keys.exists()


def test_revoking_a_key_asks_first(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    key, _plain = keys.create_key(user=person("operator"), name="k", scopes=["read"], actor=SYSTEM)
    client = signed_in("administrator")
    address = reverse("admin:core_apikey_revoke", args=[key.pk])
    assert "refused from now on" in client.get(address).text
    client.post(address)
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_changes_of_people_are_audited(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    client = signed_in("administrator", is_superuser=True)
    wanted = {"username": "newcomer", "usable_password": "true", "is_staff": "on"}
    secret = {"password1": "a long enough phrase", "password2": "a long enough phrase"}
    client.post(reverse("admin:core_user_add"), {**wanted, **secret})
    entry = AuditEntry.objects.get(action="user.add")
    assert entry.target == "newcomer"
    assert entry.actor == "administrator"


def test_only_a_superuser_hands_out_what_no_role_grants(
    signed_in: Callable[..., Client], person: Callable[..., User]
) -> None:
    someone = person("viewer")
    client = signed_in("administrator")
    page = client.get(reverse("admin:core_user_change", args=[someone.pk]))
    assert page.status_code == 200
    assert 'name="is_superuser"' not in page.text
    assert 'name="groups"' in page.text
