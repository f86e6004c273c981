"""The graph's parameters as something that can be tuned."""

from pathlib import Path
from typing import Any

import pytest

from portal.lib import tunables
from search.lab.services.tunable import GraphParameters


def test_the_lab_makes_its_graph_known() -> None:
    assert isinstance(tunables.registered()["hnsw"], GraphParameters)


def test_a_graph_is_built_and_every_question_asked(tmp_path: Path, settings: Any) -> None:
    settings.HOME = tmp_path / "home"
    beats = []
    found = GraphParameters().measure(
        {"m": 8, "ef_construction": 40, "ef_search": 40, "code_bits": "8"},
        "generated-2k",
        seconds=5,
        seed=0,
        folder=tmp_path,
        beat=lambda share, phase: beats.append(phase),
    )
    assert {"corpus", "build", "measure"} <= set(beats)
    assert 0.3 < found.values["recall_at_10"] <= 1
    assert found.values["p95_ms"] > 0
    assert len(found.samples["wall_ms"]) == found.facts["n_questions"]


def test_settings_are_exported_as_the_api_takes_them() -> None:
    name, text = GraphParameters().exported(
        {"m": 8, "ef_construction": 40, "ef_search": 40, "code_bits": "8"}
    )
    assert name.endswith(".json")
    assert '"hnsw_m": 8' in text


@pytest.mark.parametrize("name", ["m", "ef_construction", "ef_search", "code_bits"])
def test_defaults_lie_within_their_bounds(name: str) -> None:
    one = next(one for one in GraphParameters.settings if one.name == name)
    if one.choices:
        assert one.default in one.choices
    else:
        assert one.low is not None
        assert one.high is not None
        assert one.low <= float(one.default) <= one.high
