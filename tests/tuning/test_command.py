"""The command ``tune``: what it lists, starts and refuses."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tuning.models import Study

pytestmark = pytest.mark.django_db


def test_a_study_is_started_with_the_weights_and_bounds_given() -> None:
    out = StringIO()
    words = ["--target", "toy", "--budget", "90s", "--weight", "latency=2", "--option", "share"]
    call_command("tune", *words, "--no-wait", stdout=out)
    study = Study.objects.get()
    assert str(study.pk) in out.getvalue()
    assert study.objective["weights"]["latency"] == 1
    assert study.space == {"share": {}}
    assert study.budget["seconds"] == 90


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "sonar"], "sonar"),
        (["--target", "toy", "--budget", "soon"], "soon"),
        (["--target", "toy", "--weight", "latency"], "latency"),
        (["--target", "toy", "--option", "color"], "color"),
        (["--resume", "nothing"], "nothing"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("tune", *words, stdout=StringIO())


def test_what_can_be_tuned_is_listed() -> None:
    out = StringIO()
    call_command("tune", "--list", stdout=out)
    assert "sham" not in out.getvalue()
