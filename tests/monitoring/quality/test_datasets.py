"""Data sets as they come, against those of their kind before them."""

import itertools
from typing import Any

import pytest

from monitoring.models import QualityWindow, Rule
from monitoring.services.quality import datasets
from portal.core.models import Alert
from predictions.models import Dataset
from tests.console import world

Status = QualityWindow.Status
pytestmark = pytest.mark.django_db
_numbers = itertools.count()


def come(name: str, *, n_rows: int = 1_000, n_copies: int = 0, **temp: Any) -> None:
    column = {"name": "Temp", "role": "feature", "n_missing": 0, "min": 600.0, "max": 700.0} | temp
    Dataset.objects.create(
        name=name,
        kind=Dataset.Kind.QUALITY,
        artifact=world.artifact(),
        fingerprint=f"{next(_numbers):064d}",
        n_rows=n_rows,
        schema=[],
        profile={"columns": [column], "checks": {"n_copies": n_copies}},
        is_synthetic=False,
    )


def found(name: str) -> QualityWindow:
    return QualityWindow.objects.get(source=name)


def test_the_first_of_a_kind_is_the_measure_of_the_next() -> None:
    come("first")
    come("second")
    assert datasets.check() == 2
    assert datasets.check() == 0
    assert (found("first").status, found("second").status) == (Status.GOOD, Status.GOOD)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"n_missing": 200}, Rule.NULLS),
        ({"max": 7_000.0}, Rule.RANGE),
        ({"min": -300.0}, Rule.RANGE),
        ({"n_copies": 300}, Rule.DUPLICATES),
        ({"n_rows": 60}, Rule.VOLUME),
    ],
)
def test_each_rule_finds_its_fault(changes: dict[str, Any], rule: str) -> None:
    come("first")
    come("second", **changes)
    datasets.check()
    assert [one["rule"] for one in found("second").failures] == [rule]
    alert = Alert.objects.open().get(key__startswith="data-quality:dataset:")
    assert (alert.severity, "second" in alert.message) == (Alert.Severity.INFO, True)


def test_a_bad_data_set_does_not_become_the_measure() -> None:
    come("first")
    come("broken", max=7_000.0)
    come("broken again", max=7_000.0)
    datasets.check()
    assert found("broken again").status == Status.BAD


def test_generated_data_are_neither_judged_nor_a_measure() -> None:
    come("generated", max=7_000.0)
    Dataset.objects.update(is_synthetic=True)
    datasets.check()
    come("real")
    datasets.check()
    assert (found("generated").status, found("real").status) == (Status.GOOD, Status.GOOD)
