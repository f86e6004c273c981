"""The admin pages of the routing family."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from portal.core.models import User
from portal.registry.models import ModelVersion
from portal.runs.models import Run
from predictions.admin.routing import steps
from predictions.engine.routing.evaluation import evaluate
from predictions.engine.routing.findings import findings
from predictions.models import Dataset, RoutingOutcome, RoutingPrediction
from predictions.services.answering import Caller
from predictions.services.routing import answering, serving
from predictions.services.routing.answering import Wanted
from tests.predictions.routing.conftest import STRANGER, SmallModel

ASK = "admin:predictions_routingprediction_ask"
Items = list[dict[str, Any]]
SignIn = Callable[[str], Client]


@pytest.fixture
def signed_in(db: None) -> SignIn:
    """Give ``signed_in(role)``: a browser of somebody with that role, in English."""

    def sign_in(role: str) -> Client:
        user = User.objects.create(username=role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def proposal(champion: ModelVersion, items: Items) -> RoutingPrediction:
    return asked(items[0])


def asked(item: dict[str, Any]) -> RoutingPrediction:
    told = answering.answer(serving.routing, [item], Wanted(), Caller("user:1", "r")).answers[0]
    return RoutingPrediction.objects.get(pk=told["prediction_id"])


def page_of(row: RoutingPrediction, name: str = "change") -> str:
    return reverse(f"admin:predictions_routingprediction_{name}", args=[row.pk])


def operations_of(row: RoutingPrediction) -> list[str]:
    return [step["operation"] for step in row.answer["routing"]]


def proposed_cells(row: RoutingPrediction) -> list[tuple[str, ...]]:
    """Return what the table of a proposal holds before anybody touches it."""
    return [tuple(str(step[name]) for name in steps.FIELDS) for step in row.answer["routing"]]


def form_of(lines: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return lines as a browser sends them."""
    columns = dict(zip(steps.FIELDS, map(list, zip(*lines, strict=True)), strict=True))
    return {"origin": [str(number) for number in range(len(lines))], **columns}


def known(operation: str, run_minutes: float) -> dict[str, Any]:
    return {
        "operation": operation,
        "work_center": "W",
        "setup_minutes": 1.0,
        "run_minutes": run_minutes,
    }


# --- Asking and deciding --------------------------------------------------------------------------
def test_a_person_asks_for_a_routing_and_reads_why(
    signed_in: SignIn, champion: ModelVersion, items: Items
) -> None:
    client = signed_in("operator")
    filled = {name: value for name, value in items[0].items() if value is not None}

    answer = client.post(reverse(ASK), filled, follow=True)

    row = RoutingPrediction.objects.get()
    assert answer.status_code == 200
    assert row.item["item_name"] == items[0]["item_name"]
    assert row.principal.startswith("user:")
    for step in row.answer["routing"]:
        assert step["operation"] in answer.text
        assert step["work_center"] in answer.text
    assert row.answer["candidates"][0]["item_code"] in answer.text


def test_the_form_says_what_is_wrong_at_the_field(
    signed_in: SignIn, champion: ModelVersion
) -> None:
    client = signed_in("operator")

    empty = client.post(reverse(ASK), {"item_code": "X"})
    wrong = client.post(reverse(ASK), {"item_name": "Pin", "length_mm": "-5"})

    assert (empty.status_code, wrong.status_code) == (422, 422)
    assert "no value to compare by" in empty.text
    assert "length_mm is -5 mm" in wrong.text
    assert not RoutingPrediction.objects.exists()


def test_a_refused_item_says_why_on_its_page(signed_in: SignIn, champion: ModelVersion) -> None:
    row = asked(STRANGER)

    page = signed_in("operator").get(page_of(row))

    assert "Nothing is proposed for this item" in page.text
    assert "It is made as proposed" not in page.text
    assert "Keep the correction" in page.text


def test_the_routing_of_a_refused_item_can_be_told(
    signed_in: SignIn, champion: ModelVersion
) -> None:
    row = asked(STRANGER)

    signed_in("operator").post(page_of(row, "decide"), form_of([("SAW", "S-1", "5", "0.5")]))

    assert RoutingOutcome.objects.get().verdict == "corrected"


def test_a_planner_begins_with_the_routing_of_a_similar_item(
    signed_in: SignIn, champion: ModelVersion
) -> None:
    row = asked(STRANGER)
    similar = row.answer["candidates"][1]

    page = signed_in("operator").get(page_of(row), {"from": similar["item_code"]})

    lines = [line.step for line in page.context["lines"]]
    assert lines == [{name: step[name] for name in steps.FIELDS} for step in similar["routing"]]


def test_the_items_behind_each_step_have_it(proposal: RoutingPrediction) -> None:
    lines = steps.proposed_lines(proposal.answer)
    routings = {one["item_code"]: one["routing"] for one in proposal.answer["candidates"]}

    assert [line.values["operation"] for line in lines] == operations_of(proposal)
    assert any(line.alike for line in lines)
    for line in lines:
        for one in line.alike:
            assert one.step in routings[one.item_code]
            assert one.step["operation"] == line.values["operation"]


def test_the_second_of_two_equal_steps_is_compared_with_the_second() -> None:
    twice = [known("GRIND", 1.0), known("GRIND", 2.0)]
    similar = {"item_name": "", "similarity": 0.9}
    answer = {
        "routing": twice,
        "candidates": [
            similar | {"item_code": "A", "routing": [known("GRIND", 3.0), known("GRIND", 4.0)]},
            similar | {"item_code": "B", "routing": [known("GRIND", 5.0)]},
        ],
    }

    first, second = steps.proposed_lines(answer)

    assert [one.step["run_minutes"] for one in first.alike] == [3.0, 5.0]
    assert [one.step["run_minutes"] for one in second.alike] == [4.0]


def test_a_planner_accepts_and_then_corrects(
    signed_in: SignIn, proposal: RoutingPrediction
) -> None:
    client = signed_in("operator")
    untouched = form_of(proposed_cells(proposal))

    accepted = client.post(page_of(proposal, "decide"), untouched, follow=True)
    verdict = RoutingOutcome.objects.get().verdict
    lines = [("SAW", "S-1", "5", "0.5"), ("", "", "", ""), ("INSPECT", "Q-1", "0", "1")]
    corrected = client.post(
        page_of(proposal, "decide"), form_of(lines) | {"item_code": "N-7"}, follow=True
    )

    assert verdict == "accepted"
    assert "The routing is accepted." in accepted.text
    assert "The correction is kept." in corrected.text
    row = RoutingOutcome.objects.current().get()
    assert [step["operation"] for step in row.routing] == ["SAW", "INSPECT"]
    assert (row.item_code, RoutingOutcome.objects.count()) == ("N-7", 2)
    assert "SAW → INSPECT" in corrected.text


def test_a_single_changed_minute_is_a_correction(
    signed_in: SignIn, proposal: RoutingPrediction
) -> None:
    cells = [list(line) for line in proposed_cells(proposal)]
    cells[0][3] = "77.5"

    signed_in("operator").post(page_of(proposal, "decide"), form_of(cells))

    row = RoutingOutcome.objects.get()
    assert (row.verdict, row.routing[0]["run_minutes"]) == ("corrected", 77.5)
    assert row.same_operations


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (("SAW", "S-1", "5", "-1"), "“run_minutes” is “-1.0”"),
        (("SAW", "S-1", "five", "1"), "“setup_minutes” is “five”"),
        (("", "S-1", "5", "nan"), "“operation” is “”"),
    ],
)
def test_a_wrong_correction_keeps_what_was_typed(
    signed_in: SignIn, proposal: RoutingPrediction, cell: tuple[str, ...], said: str
) -> None:
    lines = [*proposed_cells(proposal), cell]

    answer = signed_in("operator").post(page_of(proposal, "decide"), form_of(lines))

    assert answer.status_code == 422
    assert said in answer.text
    for value in filter(None, cell):
        assert f'value="{value}"' in answer.text
    assert not RoutingOutcome.objects.exists()


def test_an_empty_correction_says_what_is_asked(
    signed_in: SignIn, proposal: RoutingPrediction
) -> None:
    answer = signed_in("operator").post(page_of(proposal, "decide"), {"origin": ["x", "999"]})

    assert answer.status_code == 422
    assert "1 to 200 steps" in answer.text


def test_a_viewer_reads_and_decides_nothing(signed_in: SignIn, proposal: RoutingPrediction) -> None:
    client = signed_in("viewer")

    page = client.get(page_of(proposal)).text

    assert "It is made as proposed" not in page
    for operation in operations_of(proposal):
        assert operation in page
    assert client.post(page_of(proposal, "decide"), {}).status_code == 403
    assert not RoutingOutcome.objects.exists()


def test_the_lists_show_proposals_and_decisions(
    signed_in: SignIn, proposal: RoutingPrediction
) -> None:
    client = signed_in("operator")
    client.post(page_of(proposal, "decide"), form_of(proposed_cells(proposal)))
    decision = RoutingOutcome.objects.get()

    proposals = client.get(reverse("admin:predictions_routingprediction_changelist"))
    decisions = client.get(reverse("admin:predictions_routingoutcome_changelist"))
    opened = client.get(reverse("admin:predictions_routingoutcome_change", args=[decision.pk]))

    assert proposal.item_code in proposals.text
    assert "Ask for a routing" in proposals.text
    assert "Accepted" in decisions.text
    assert opened.headers["Location"].startswith(page_of(proposal))


# --- Data sets and versions -----------------------------------------------------------------------
def test_two_files_are_imported_in_the_admin(signed_in: SignIn, files: tuple[Path, Path]) -> None:
    client = signed_in("operator")
    address = reverse("admin:predictions_dataset_add")
    items, routings = (SimpleUploadedFile(path.name, path.read_bytes()) for path in files)

    lacking = client.post(address, {"kind": "routing", "name": "P", "items": items})
    items.seek(0)
    answer = client.post(
        address,
        {"kind": "routing", "name": "P", "items": items, "routings": routings},
        follow=True,
    )

    assert "This file is needed" in lacking.text
    dataset = Dataset.objects.get()
    assert (dataset.kind, dataset.name) == ("routing", "P")
    assert "Groups of variants" in answer.text
    assert "INSPECT" in answer.text


def test_a_training_is_started_from_the_page(signed_in: SignIn, dataset: Dataset) -> None:
    client = signed_in("operator")
    address = reverse("admin:predictions_dataset_train", args=[dataset.pk])
    form = client.get(address).context["form"]
    values = {field.name: field.value() for field in form if field.value() is not None}

    client.post(address, values | {"n_trees": 5})

    run = Run.objects.get()
    assert run.kind == "predictions.train_routing"
    assert run.parameters["params"]["n_trees"] == 5


def test_the_page_of_a_version_shows_its_evaluation(
    signed_in: SignIn, champion: ModelVersion, small_model: SmallModel
) -> None:
    report = evaluate(
        small_model.model, small_model.unseen, small_model.routings, seed=1, n_bootstraps=20
    )
    content = report.to_dict() | {
        "findings": [one.to_dict() for one in findings(report, 0.03)],
        "protocol": {"n_set_aside": 3},
        "training": small_model.model.report,
    }

    text = render_to_string("registry/evaluation/routing.html", {"evaluation": content})

    assert "Exact operations" in text
    assert "What its confidence is worth" in text
    for name in content["confidence_levels"]:
        assert name.capitalize() in text
    assert "Learned weight of each field" in text
    page = reverse("admin:registry_modelversion_change", args=[champion.pk])
    assert signed_in("viewer").get(page).status_code == 200
