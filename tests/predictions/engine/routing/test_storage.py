"""Storing and loading a model."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.problems import UnservableModel
from predictions.engine.routing.similarity import PLAIN
from predictions.engine.routing.storage import dump, load

HEAVY = ("sklearn", "scipy", "pandas", "pyarrow", "torch", "django")


@pytest.fixture(scope="module")
def stored(model: RoutingModel) -> bytes:
    return dump(model)


def test_a_loaded_model_answers_as_the_trained_one(
    model: RoutingModel, stored: bytes, item: Mapping[str, Any]
) -> None:
    loaded = load(stored)

    assert loaded.propose(item) == model.propose(item)
    assert loaded.report == model.report
    assert loaded.signature == model.signature


def test_storing_twice_gives_the_same_content(stored: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(stored)) as first:
        again = zipfile.ZipFile(io.BytesIO(dump(load(stored))))
        assert {n: first.read(n) for n in first.namelist()} == {
            n: again.read(n) for n in again.namelist()
        }


def test_serving_loads_numpy_alone(stored: bytes, item: Mapping[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(stored)
    (tmp_path / "item.json").write_text(json.dumps(dict(item)))
    program = (
        "import json, sys; from pathlib import Path\n"
        "from predictions.engine.routing.storage import load\n"
        "model = load(Path(sys.argv[1], 'model.npz').read_bytes())\n"
        "answer = model.propose(json.loads(Path(sys.argv[1], 'item.json').read_text()))\n"
        f"print(bool(answer.candidates), sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own program, our own interpreter
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4],
    )  # fmt: skip

    assert done.stdout.strip() == "True []"


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_damaged_bytes_are_refused(stored: bytes, damage: str) -> None:
    flipped = bytearray(stored)
    flipped[len(stored) // 2] ^= 0xFF
    data = {"empty": b"", "text": b"hello", "cut": stored[:-500], "flipped": bytes(flipped)}[damage]

    with pytest.raises(UnservableModel) as caught:
        load(data)

    assert caught.value.problems[0].code == "unservable"


def test_a_pickle_is_never_opened() -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("the pickle was opened",))

    buffer = io.BytesIO()
    np.savez(buffer, meta=np.array([Trap()], dtype=object))

    for data in (buffer.getvalue(), pickle.dumps(Trap())):
        with pytest.raises(UnservableModel):
            load(data)


def _changed(stored: bytes, name: str, value: np.ndarray) -> bytes:
    with np.load(io.BytesIO(stored)) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays[name] = value
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _changed_meta(stored: bytes, **values: object) -> bytes:
    with np.load(io.BytesIO(stored)) as archive:
        meta = json.loads(archive["meta"].tobytes())
    text = json.dumps(meta | values).encode()
    return _changed(stored, "meta", np.frombuffer(text, dtype=np.uint8))


@pytest.mark.parametrize(
    "values",
    [{"format": 99}, {"family": "diecasting-quality"}, {"numbers": ["x"]}, {"item_codes": ["A"]}],
)
def test_another_format_or_family_is_refused(stored: bytes, values: dict[str, object]) -> None:
    with pytest.raises(UnservableModel):
        load(_changed_meta(stored, **values))


def test_in_the_first_format_every_field_counts_alike(stored: bytes) -> None:
    loaded = load(_changed_meta(stored, format=1))

    np.testing.assert_array_equal(loaded.decider.kin_weights, PLAIN)


@pytest.mark.parametrize("name", ["book.item_routing", "steps.work_center", "order.pairs"])
def test_indices_that_point_outside_are_refused(
    stored: bytes, model: RoutingModel, name: str
) -> None:
    shape = {
        "book.item_routing": model.decider.book.item_routing.shape,
        "steps.work_center": model.steps.work_center.shape,
        "order.pairs": (1, 2),
    }[name]

    with pytest.raises(UnservableModel):
        load(_changed(stored, name, np.full(shape, 10**6, dtype=np.int32)))
