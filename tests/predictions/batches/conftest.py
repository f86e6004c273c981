"""Fixtures of files that are predicted in the background."""

import io
from typing import Any

import pytest

from portal.registry.models import ModelVersion
from portal.runs.models import Run
from predictions import dispatch
from predictions.services import file_batches
from tests.predictions.batches.files import ACTOR, Begin


@pytest.fixture
def begin(champion: ModelVersion) -> Begin:
    """Give ``begin(content)``: a queued run over a file."""

    def start(content: bytes, name: str = "shots.csv", **words: Any) -> Run:
        kept = file_batches.keep_input(io.BytesIO(content))
        return dispatch.predict_file(source=kept, source_name=name, actor=ACTOR, **words)

    return start
