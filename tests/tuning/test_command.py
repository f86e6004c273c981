"""The command ``tune``: what it lists, starts and refuses."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from tuning import selectors
from tuning.models import Study, Trial

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


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (Trial(number=7, role="search", state="complete", score=0.0), "Trial 7 (Search): 1.000"),
        (
            Trial(number=8, role="search", state="disturbed", reason="Others kept 2.0 busy."),
            "Trial 8 (Search): Disturbed by other work. Others kept 2.0 busy.",
        ),
        (Trial(number=9, role="search", state="pruned", score=-0.5), "Trial 9 (Search): Pruned."),
    ],
)
def test_the_end_of_a_trial_is_told_in_a_sentence(trial: Trial, said: str) -> None:
    assert selectors.told(trial).startswith(said)
    with translation.override("ko"):
        assert selectors.told(trial).startswith(f"시험 {trial.number}(")
