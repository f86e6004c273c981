"""Pages around serving: shares of challengers, versions side by side, a data set predicted."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion
from portal.runs.models import Run
from predictions import tasks
from predictions.models import Dataset, TrafficSplit
from predictions.services import datasets, traffic
from tests.predictions.conftest import SmallModel

LIST = "admin:predictions_trafficsplit_changelist"

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(db: None) -> Callable[[str], Client]:
    """Give ``signed_in("approver")``: the browser of somebody with that role."""

    def make(role: str) -> Client:
        user = User.objects.create(username=role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return make


@pytest.fixture
def challenger(champion: ModelVersion, make_version: Callable[..., ModelVersion]) -> ModelVersion:
    user = User.objects.create(username="pointer")
    user.user_permissions.add(Permission.objects.get(codename="request_promotion"))
    version = make_version()
    for alias in (Alias.CHALLENGER, Alias.SHADOW):
        registry.assign_alias(
            model=version.model,
            alias=alias,
            version=version,
            reason="a test",
            actor=Actor.of_user(user, via="person"),
        )
    return version


@pytest.fixture
def dataset(small_model: SmallModel, tmp_path: Path) -> Dataset:
    path = tmp_path / "shots.parquet"
    pq.write_table(small_model.unseen.data, path)
    return datasets.import_dataset(source=path, name="Line 3", actor=Actor.system("test"))


def test_an_approver_sets_the_share_with_a_reason(
    signed_in: Callable[[str], Client], challenger: ModelVersion
) -> None:
    client = signed_in("approver")
    address = reverse("admin:predictions_trafficsplit_share", args=[challenger.model_id])

    listed = client.get(reverse(LIST))
    without = client.post(address, {"percent": "20", "reason": " "})
    done = client.post(address, {"percent": "12.5", "reason": "better on the frozen set"})
    after = client.get(reverse(LIST))

    assert address in listed.text
    assert without.status_code == 200
    assert done.status_code == 302
    assert traffic.share_of(challenger) == 0.125
    assert "better on the frozen set" in after.text
    assert "12.5" in after.text


@pytest.mark.parametrize("percent", ["-1", "50.1", "nan", "many"])
def test_a_senseless_share_is_not_set(
    signed_in: Callable[[str], Client], challenger: ModelVersion, percent: str
) -> None:
    address = reverse("admin:predictions_trafficsplit_share", args=[challenger.model_id])

    signed_in("approver").post(address, {"percent": percent, "reason": "why not"})

    assert not TrafficSplit.objects.exists()


def test_an_operator_looks_and_does_not_set(
    signed_in: Callable[[str], Client], challenger: ModelVersion
) -> None:
    client = signed_in("operator")
    address = reverse("admin:predictions_trafficsplit_share", args=[challenger.model_id])

    assert address not in client.get(reverse(LIST)).text
    assert client.post(address, {"percent": "10", "reason": "mine"}).status_code == 403


def test_versions_stand_side_by_side(
    signed_in: Callable[[str], Client], challenger: ModelVersion
) -> None:
    client = signed_in("viewer")

    page = client.get(
        reverse("admin:predictions_trafficsplit_comparison", args=[challenger.model_id])
    )
    nothing = client.get(reverse("admin:predictions_trafficsplit_comparison", args=[9999]))

    assert page.status_code == 200
    assert "What each version answered" in page.text
    assert nothing.status_code == 404


def test_a_data_set_is_predicted_from_its_page(
    signed_in: Callable[[str], Client], champion: ModelVersion, dataset: Dataset
) -> None:
    client = signed_in("operator")
    address = reverse("admin:predictions_dataset_predict", args=[dataset.pk])
    page = client.get(reverse("admin:predictions_dataset_change", args=[dataset.pk]))

    asked = client.get(address)
    done = client.post(address, {"version": ""})

    run = Run.objects.get(kind=tasks.PREDICT_FILE)
    assert address in page.text
    assert "The champion" in asked.text
    assert done.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert run.parameters["version"] == champion.number
    assert client.get(done.headers["Location"]).status_code == 200


def test_a_viewer_predicts_no_data_set(
    signed_in: Callable[[str], Client], champion: ModelVersion, dataset: Dataset
) -> None:
    client = signed_in("viewer")
    address = reverse("admin:predictions_dataset_predict", args=[dataset.pk])

    assert client.post(address, {"version": ""}).status_code == 403
    assert not Run.objects.filter(kind=tasks.PREDICT_FILE).exists()
