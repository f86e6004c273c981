"""Export, serving form and training form."""

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from predictions.engine import quality_model
from predictions.engine.calibrators import Platt
from predictions.engine.export import MAX_ABS_ERROR, Exported, ParityError, export, parity_rows
from predictions.engine.learners.gradient_boosting import Boosting
from predictions.engine.quality_model import UnreadableTrainingForm
from predictions.engine.serving import ServingModel, UnservableModel, load
from predictions.engine.training import TrainedModel

Matrix = NDArray[np.float32]


def test_serving_form_says_what_the_training_form_says(
    trained: TrainedModel, serving_model: ServingModel, matrix: Matrix
) -> None:
    rows = parity_rows(matrix, seed=77)

    probability, latent = serving_model.predict(rows)

    assert len(rows) >= 4_000
    assert np.isnan(rows).any()
    assert np.abs(probability - trained.predict(rows)).max() < MAX_ABS_ERROR
    assert np.abs(latent - trained.latent(rows)).max() < MAX_ABS_ERROR


def test_values_on_a_split_take_the_same_branch(
    trained: TrainedModel, serving_model: ServingModel, matrix: Matrix
) -> None:
    rows = np.repeat(matrix[:1], 400, axis=0)
    learner = trained.fitted.learner
    assert isinstance(learner, Boosting)
    for number, stage in enumerate(learner.estimator.estimators_[:20, 0]):
        tree = stage.tree_
        inner = np.flatnonzero(tree.feature >= 0)
        for offset, node in enumerate(inner[:5]):
            edge = np.float32(tree.threshold[node])
            for step, value in enumerate(
                (np.nextafter(edge, np.float32(-1e9)), edge, np.nextafter(edge, np.float32(1e9)))
            ):
                rows[(number * 15 + offset * 3 + step) % 400, tree.feature[node]] = value

    assert np.abs(serving_model.predict(rows)[0] - trained.predict(rows)).max() < MAX_ABS_ERROR


def test_export_checks_at_least_a_thousand_rows(
    exported: Exported, trained: TrainedModel, matrix: Matrix
) -> None:
    assert exported.n_rows_checked >= 1_000
    assert export(trained, matrix[:1]).n_rows_checked >= 1_000


def test_export_is_reproducible(exported: Exported, trained: TrainedModel, matrix: Matrix) -> None:
    assert export(trained, matrix[:600]).data == exported.data


def test_export_without_parity_is_refused(trained: TrainedModel, matrix: Matrix) -> None:
    class Drifting(Platt):
        def probability(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
            return super().probability(raw) + 2e-5

    assert isinstance(trained.calibration, Platt)
    calibration = Drifting(trained.calibration.slope, trained.calibration.intercept)

    with pytest.raises(ParityError, match="cannot be served"):
        export(replace(trained, calibration=calibration), matrix[:50])


def test_model_carries_signature_threshold_and_confidence(
    trained: TrainedModel, serving_model: ServingModel
) -> None:
    assert serving_model.signature == trained.signature
    assert serving_model.threshold == trained.threshold
    assert serving_model.confidence == trained.confidence
    assert serving_model.latent_method == "pca-12-whitened-robust-clipped"


def test_answers_have_the_documented_shapes(serving_model: ServingModel, matrix: Matrix) -> None:
    for n_rows in (0, 1, 7):
        probability, latent = serving_model.predict(matrix[:n_rows])
        assert (probability.shape, latent.shape) == ((n_rows,), (n_rows, 12))
        assert probability.dtype == latent.dtype == np.float32
        assert serving_model.decide(probability).shape == (n_rows,)


def test_batch_and_single_rows_agree(serving_model: ServingModel, matrix: Matrix) -> None:
    batch, _ = serving_model.predict(matrix[:50])
    single = [serving_model.predict(matrix[row : row + 1])[0][0] for row in range(50)]

    assert np.abs(batch - np.array(single)).max() < 1e-6


@pytest.mark.parametrize("shape", [(30,), (1, 29), (1, 31), (1, 1, 30)])
def test_array_of_another_shape_is_refused(
    serving_model: ServingModel, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="shape"):
        serving_model.predict(np.zeros(shape, dtype=np.float32))


def test_wild_rows_still_give_finite_answers(serving_model: ServingModel) -> None:
    rows = np.array([[1e30] * 30, [-1e30] * 30, [np.nan] * 30], dtype=np.float32)

    probability, latent = serving_model.predict(rows)

    assert ((probability >= 0) & (probability <= 1)).all()
    assert np.isfinite(latent).all()


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08" * 50])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(UnservableModel):
        load(data)


def _changed(exported: Exported, name: str, value: str | None) -> bytes:
    proto = onnx.load_from_string(exported.data)
    properties = {item.key: item.value for item in proto.metadata_props}
    properties.pop(name)
    if value is not None:
        properties[name] = value
    onnx.helper.set_model_props(proto, properties)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("family", "other"),
        ("serving_format", "999"),
        ("serving_format", None),
        ("threshold", "high"),
        ("signature", "{}"),
        ("signature", "no json"),
        ("confidence", "{}"),
        ("latent_method", None),
    ],
)
def test_model_with_other_or_damaged_metadata_is_refused(
    exported: Exported, name: str, value: str | None
) -> None:
    with pytest.raises(UnservableModel):
        load(_changed(exported, name, value))


def test_truncated_model_is_refused(exported: Exported) -> None:
    with pytest.raises(UnservableModel):
        load(exported.data[: len(exported.data) // 2])


def test_serving_and_validating_load_no_training_library() -> None:
    code = (
        "import sys, json, predictions.engine.serving, predictions.engine.validate\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )

    result = subprocess.run(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    heavy = {"sklearn", "skl2onnx", "pandas", "torch", "scipy", "onnx", "pyarrow", "django"}
    assert not heavy & set(json.loads(result.stdout))


def test_training_form_survives_its_file(trained: TrainedModel, matrix: Matrix) -> None:
    again = quality_model.from_bytes(trained.to_bytes())

    assert np.array_equal(again.predict(matrix), trained.predict(matrix))
    assert np.array_equal(again.latent(matrix), trained.latent(matrix))


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x05\x06" + b"\0" * 18])
def test_bytes_that_are_no_training_form_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableTrainingForm):
        quality_model.from_bytes(data)


def test_training_form_that_names_a_foreign_type_is_refused(trained: TrainedModel) -> None:
    source = zipfile.ZipFile(io.BytesIO(trained.to_bytes()))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as changed:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                content = content.replace(b'"sklearn.tree._tree"', b'"os"')
            changed.writestr(name, content)

    with pytest.raises(UnreadableTrainingForm, match="not allowed"):
        quality_model.from_bytes(target.getvalue())
