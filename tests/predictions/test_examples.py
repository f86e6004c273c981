"""Example shots: what a person tries the portal out with."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.core.actors import Actor
from portal.registry.models import ModelVersion
from predictions.services import datasets

pytestmark = pytest.mark.django_db


def example_shots(**options: Any) -> str:
    out = StringIO()
    call_command("example_shots", stdout=out, **options)
    return out.getvalue()


def test_the_file_can_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "shots.csv"
    path.write_text(example_shots(rows=300))
    dataset = datasets.import_dataset(source=path, name="Tried", actor=Actor.system("test"))
    assert (dataset.n_rows, dataset.is_synthetic) == (300, True)


def test_the_champion_answers_the_example(
    champion: ModelVersion, make_key: Any, client: Client
) -> None:
    body = json.loads(example_shots(json=True))
    answer = client.post(
        "/api/v1/predictions/quality/",
        body,
        content_type="application/json",
        headers=make_key("predict"),
    )
    assert answer.status_code == 200
    assert answer.json()["model_version"] == champion.number


def test_without_a_champion_there_is_no_example() -> None:
    with pytest.raises(CommandError, match="has no champion yet"):
        example_shots(json=True)


@pytest.mark.parametrize(("options", "said"), [({"rows": 0}, "--rows is 0"), ({"seed": -1}, "-1")])
def test_a_senseless_count_or_seed_is_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        example_shots(**options)
