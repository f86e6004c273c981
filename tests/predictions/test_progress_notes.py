"""What the engine says of its progress, in the reader's language."""

import re
from typing import Any

import pytest
from django.utils import translation

from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.progress import Said
from predictions.engine.training import train
from predictions.management.console import figure
from predictions.services.progress_notes import PHASES, in_words, phase_name
from tests.predictions.conftest import SMALL

HANGUL = re.compile("[가-힣]")


def test_a_message_is_english_text_and_knows_its_parts() -> None:
    fold = Said("Fold {number} of {count}", number=2, count=5)
    told = Said("{part}: {text} on {n_shots:,} shots", part=fold, text="tree 3", n_shots=1200)
    assert told == "Fold 2 of 5: tree 3 on 1,200 shots"
    assert told.values["part"] is fold


def test_parts_of_a_message_are_translated_with_it() -> None:
    fold = Said("Fold {number} of {count}", number=2, count=5)
    told = Said("{part}: {text} on {n_shots:,} shots", part=fold, text="x", n_shots=1200)
    with translation.override("ko"):
        assert HANGUL.search(in_words(fold))
        assert in_words(told).startswith(in_words(fold))
        assert in_words("said by somebody else") == "said by somebody else"


@pytest.mark.parametrize("learner", ["gradient_boosting", "logistic_regression"])
def test_whatever_a_training_says_is_said_in_korean(learner: str) -> None:
    told: list[tuple[str, str]] = []

    def note(_fraction: float, phase: str, message: str, _metrics: dict[str, float]) -> None:
        told.append((phase, message))

    params = TrainingParams.from_dict({**SMALL, "learner": learner, "compare": True})
    train(generate(500, 3).table(), params, seed=3, on_progress=note)
    with translation.override("ko"):
        said = {in_words(message) for _phase, message in told}
        phases = {phase_name(phase) for phase, _message in told}
    assert len(said) > 4
    assert [text for text in said | phases if not HANGUL.search(text)] == []
    assert [text for text in said if re.search(r"\b(on|of|shots|Judging|tree)\b", text)] == []


def test_every_phase_has_a_korean_name() -> None:
    with translation.override("ko"):
        assert [name for name in PHASES if not HANGUL.search(phase_name(name))] == []


def test_an_interval_is_written_as_koreans_write_it() -> None:
    interval: dict[str, Any] = {"value": 0.5, "low": 0.477, "high": 0.526}
    assert figure(interval) == "0.500 (0.477 to 0.526)"
    with translation.override("ko"):
        assert "to" not in figure(interval)
