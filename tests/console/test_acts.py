"""What people do on the pages: asked for a reason, checked for grants, never an error page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.core.models import AuditEntry, User
from portal.lib import clock
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest
from portal.runs.models import Run, State
from predictions.engine.generator import generate
from predictions.models import Dataset

APPROVE, REJECT, APPLY, WITHDRAW = (
    f"admin:registry_promotionrequest_{act}" for act in ("approve", "reject", "apply", "withdraw")
)


def decide(client: Client, act: str, request: PromotionRequest, **values: Any) -> Any:
    sent = {"reason": "Looks right to me.", "digest": request.digest} | values
    return client.post(reverse(act, args=[request.pk]), sent, follow=True)


def test_a_request_is_approved_with_the_digest_on_the_page(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    client = signed_in("approver")
    page = client.get(reverse("admin:registry_promotionrequest_change", args=[request_of.pk]))
    assert f'name="digest" value="{request_of.digest}"' in page.text
    answer = decide(client, APPROVE, request_of)
    request_of.refresh_from_db()
    assert request_of.state == "approved"
    assert "Now it can be applied" in answer.text


def test_a_decision_on_other_evidence_is_a_message(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    answer = decide(signed_in("approver"), APPROVE, request_of, digest="0" * 64)
    request_of.refresh_from_db()
    assert answer.status_code == 200
    assert "You decided on the evidence" in answer.text
    assert request_of.state == "open"


def test_a_decision_needs_a_reason(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    answer = decide(signed_in("approver"), REJECT, request_of, reason=" ")
    request_of.refresh_from_db()
    assert answer.status_code == 422
    assert request_of.state == "open"


def test_reading_an_address_decides_nothing(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    client = signed_in("approver")
    for act in (APPROVE, REJECT, APPLY, WITHDRAW):
        client.get(reverse(act, args=[request_of.pk]))
    request_of.refresh_from_db()
    assert request_of.state == "open"


def test_a_superuser_without_the_role_cannot_approve(
    person: Callable[..., User], request_of: PromotionRequest
) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person("nobody", is_superuser=True))
    page = client.get(reverse("admin:registry_promotionrequest_change", args=[request_of.pk]))
    assert "Approve</button>" not in page.text
    assert decide(client, APPROVE, request_of).status_code == 403
    request_of.refresh_from_db()
    assert request_of.state == "open"


def test_the_requester_sees_why_not_and_is_refused(
    signed_in: Callable[..., Client], person: Callable[..., User], request_of: PromotionRequest
) -> None:
    client = signed_in("operator")
    page = client.get(reverse("admin:registry_promotionrequest_change", args=[request_of.pk]))
    assert "You asked for this promotion" in page.text
    assert decide(client, APPROVE, request_of).status_code == 403


def test_the_requester_withdraws_after_being_asked(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    client = signed_in("operator")
    address = reverse(WITHDRAW, args=[request_of.pk])
    assert "nobody can approve or apply it" in client.get(address).text
    client.post(address, {"reason": "A better one is coming."})
    request_of.refresh_from_db()
    assert request_of.state == "withdrawn"


def test_a_service_that_refuses_leaves_the_form_filled_in(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    client = signed_in("approver")
    answer = client.post(reverse(WITHDRAW, args=[request_of.pk]), {"reason": "Not mine."})
    assert answer.status_code == 409
    assert "can withdraw it" in answer.text
    assert "Not mine." in answer.text


def test_a_version_is_quarantined_and_released(
    signed_in: Callable[..., Client], version: ModelVersion
) -> None:
    client = signed_in("approver")
    page = reverse("admin:registry_modelversion_quarantine", args=[version.pk])
    client.post(page, {"reason": "The sensor was broken."})
    version.refresh_from_db()
    assert version.state == "quarantined"
    release = reverse("admin:registry_modelversion_release", args=[version.pk])
    assert "gate, approval and apply" in client.get(release).text
    client.post(release, {"reason": "It was the other line."})
    version.refresh_from_db()
    assert version.state == "ready"


def test_a_damaged_version_cannot_be_asked_for_and_says_so(
    signed_in: Callable[..., Client], version: ModelVersion
) -> None:
    client = signed_in("operator")
    page = reverse("admin:registry_modelversion_request", args=[version.pk])
    answer = client.post(page, {"reason": "Looks good."})
    assert answer.status_code == 409
    assert "is damaged" in answer.text


def test_break_glass_is_offered_to_nobody_by_role(
    signed_in: Callable[..., Client], version: ModelVersion
) -> None:
    client = signed_in("administrator", is_superuser=True)
    page = reverse("admin:registry_modelversion_break_glass", args=[version.pk])
    assert client.get(page).status_code == 403
    assert client.post(page, {"reason": "It burns in hall two."}).status_code == 403


def test_a_rollback_offers_former_champions_only(
    signed_in: Callable[..., Client], champion: AliasMove
) -> None:
    client = signed_in("approver")
    page = reverse("admin:registry_registeredmodel_rollback", args=[champion.model_id])
    answer = client.post(page, {"reason": "Too many false alarms.", "to": champion.to_version_id})
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.text


def test_the_model_page_tells_what_was_live_then(
    signed_in: Callable[..., Client], champion: AliasMove
) -> None:
    page = reverse("admin:registry_registeredmodel_change", args=[champion.model_id])
    client = signed_in("viewer")
    assert "was live." in client.get(page, {"at": "2999-01-31"}).text
    assert "Nothing was live at 2001-01-31" in client.get(page, {"at": "2001-01-31T12:00"}).text
    assert "is not a date" in client.get(page, {"at": "yesterday"}).text


def test_a_run_is_cancelled_after_the_effects_were_shown(
    signed_in: Callable[..., Client], run: Run
) -> None:
    client = signed_in("operator")
    page = reverse("admin:runs_run_cancel", args=[run.pk])
    assert "stops at its next progress point" in client.get(page).text
    client.post(page, {"reason": ""})
    run.refresh_from_db()
    assert run.is_cancel_requested


def test_a_viewer_cannot_cancel_and_reads_why(signed_in: Callable[..., Client], run: Run) -> None:
    answer = signed_in("viewer").post(reverse("admin:runs_run_cancel", args=[run.pk]), {})
    assert answer.status_code == 409
    assert "runs.cancel_run" in answer.text


def test_retrying_leads_to_the_new_run(signed_in: Callable[..., Client], run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(
        state=State.ERRORED, finished_at=clock.now(), lease_expires_at=None
    )
    answer = signed_in("operator").post(reverse("admin:runs_run_retry", args=[run.pk]))
    new = Run.objects.get(retry_of=run)
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[new.pk])


def test_the_live_part_brings_only_what_is_new(signed_in: Callable[..., Client], run: Run) -> None:
    client = signed_in("viewer")
    run.events.create(type="log", level="info", message="first")
    page = reverse("admin:runs_run_live", args=[run.pk])
    first = client.get(page).json()
    run.events.create(type="log", level="warning", message="second")
    run.events.create(type="metric", name="loss", value=0.5, step=1)
    second = client.get(page, {"after": first["last"]}).json()
    assert "first" in first["lines"]
    assert "first" not in second["lines"]
    assert "second" in second["lines"]
    assert "loss" in second["html"]
    assert not second["is_terminal"]
    assert client.get(page, {"after": "9" * 40}).status_code == 200


def upload(client: Client, file: Path, **values: Any) -> Any:
    with file.open("rb") as content:
        sent = {"file": content, "name": "May", "kind": "diecasting-quality"} | values
        return client.post(reverse("admin:predictions_dataset_add"), sent, follow=True)


def test_a_file_is_imported_and_its_profile_shown(
    signed_in: Callable[..., Client], tmp_path: Path
) -> None:
    file = tmp_path / "shots.csv"
    generate(200, seed=3).write_csv(file)
    answer = upload(signed_in("operator"), file)
    dataset = Dataset.objects.get()
    assert dataset.name == "May"
    assert dataset.source_name == "shots.csv"
    assert dataset.created_by is not None
    assert "Velocity_1" in answer.text
    assert "What the checks found" in answer.text


def test_a_bad_file_is_named_cell_by_cell(signed_in: Callable[..., Client], tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    file.write_text("Velocity_1;Velocity_2\nabc;1\n")
    answer = upload(signed_in("operator"), file)
    assert answer.status_code == 422
    assert "Nothing was imported." in answer.text
    assert "Cycle_Time" in answer.text
    assert not Dataset.objects.exists()


def test_the_same_shots_twice_are_a_message(
    signed_in: Callable[..., Client], tmp_path: Path
) -> None:
    file = tmp_path / "shots.csv"
    generate(200, seed=3).write_csv(file)
    client = signed_in("operator")
    upload(client, file)
    answer = upload(client, file)
    assert answer.status_code == 422
    assert "The same content was imported before" in answer.text


def test_a_training_starts_from_the_data_set(
    signed_in: Callable[..., Client], dataset: Dataset
) -> None:
    client = signed_in("operator")
    page = reverse("admin:predictions_dataset_train", args=[dataset.pk])
    form = client.get(page).context["form"]
    sent = {name: field.initial for name, field in form.fields.items() if name != "seed"}
    answer = client.post(page, sent | {"n_estimators": 50, "seed": 7})
    run = Run.objects.get()
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert run.parameters["params"]["n_estimators"] == 50
    assert run.seed == 7


def test_a_wrong_parameter_is_named_at_its_field(
    signed_in: Callable[..., Client], dataset: Dataset
) -> None:
    page = reverse("admin:predictions_dataset_train", args=[dataset.pk])
    answer = signed_in("operator").post(page, {"protocol": "grouped", "n_estimators": 3})
    assert answer.status_code == 200
    assert "greater than or equal to 10" in answer.text
    assert not Run.objects.exists()


def test_an_unknown_data_set_is_not_found(signed_in: Callable[..., Client], db: None) -> None:
    client = signed_in("operator")
    assert client.get(reverse("admin:predictions_dataset_train", args=[404])).status_code == 404


def test_a_decision_leaves_the_reason_in_the_audit_log(
    signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    decide(signed_in("approver"), REJECT, request_of, reason="The window is too short.")
    entry = AuditEntry.objects.get(action="promotion.reject")
    assert entry.reason == "The window is too short."
    assert entry.via == "person"


@pytest.mark.parametrize("act", [APPROVE, REJECT, APPLY])
def test_a_closed_request_cannot_be_decided_again(
    act: str, signed_in: Callable[..., Client], request_of: PromotionRequest
) -> None:
    client = signed_in("approver")
    decide(client, REJECT, request_of)
    answer = decide(client, act, request_of)
    request_of.refresh_from_db()
    assert answer.status_code == 200
    assert request_of.state == "rejected"


def test_an_operator_has_a_queue_prove_itself(signed_in: Callable[..., Client]) -> None:
    client, page = signed_in("operator"), reverse("admin:runs_run_selftest")
    assert page in client.get(reverse("admin:runs_run_changelist")).text
    assert "must do it" in client.get(page).text
    client.post(page, {"queue": "fast"})
    assert not Run.objects.filter(kind="portal.selftest").exists()
    answer = client.post(page, {"queue": "bench"})
    run = Run.objects.get(kind="portal.selftest")
    assert (run.queue, run.started_via) == ("bench", "person")
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])


def test_a_viewer_starts_no_test(signed_in: Callable[..., Client]) -> None:
    client, page = signed_in("viewer"), reverse("admin:runs_run_selftest")
    assert page not in client.get(reverse("admin:runs_run_changelist")).text
    assert client.post(page, {"queue": "bench"}).status_code == 403
    assert not Run.objects.filter(kind="portal.selftest").exists()
