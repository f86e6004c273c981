"""Rows of studies and trials: what the database refuses and who may do what."""

import pytest
from django.db import IntegrityError, connection, transaction

from portal.core.actors import Actor
from tests.tuning.people import person
from tuning.models import Study, Trial


@pytest.mark.django_db
def test_a_verdict_belongs_to_a_study_that_is_done() -> None:
    study = Study.objects.create(name="one", target="sham", workload="still")
    with pytest.raises(IntegrityError, match="tuning_study_verdict"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(verdict=Study.Verdict.BETTER)
    Study.objects.filter(pk=study.pk).update(verdict=Study.Verdict.NO_EFFECT, phase="done")
    study.refresh_from_db()
    assert study.state == "done"


@pytest.mark.django_db
def test_a_complete_trial_says_when_it_ended_and_what_it_changed() -> None:
    study = Study.objects.create(
        name="one", target="sham", workload="still", current={"a": 1, "b": 2}
    )
    trial = Trial.objects.create(study=study, number=0, configuration={"a": 1, "b": 3})
    assert trial.changed == {"b": 3}
    with pytest.raises(IntegrityError, match="tuning_trial_complete"), transaction.atomic():
        Trial.objects.filter(pk=trial.pk).update(state=Trial.State.COMPLETE)


@pytest.mark.django_db
def test_operators_tune_and_viewers_look() -> None:
    holds = {}
    for role in ("viewer", "operator", "approver"):
        actor = Actor.of_user(person(role), via="person")
        holds[role] = (actor.holds("tuning.view_study"), actor.holds("tuning.add_study"))
    assert holds == {"viewer": (True, False), "operator": (True, True), "approver": (True, False)}


@pytest.mark.django_db
def test_the_sampler_has_room_of_its_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace('optuna') IS NOT NULL")
        assert cursor.fetchone() == (True,)
