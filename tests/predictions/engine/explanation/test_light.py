"""What a process must load to explain: numpy, and no library that trains."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictions.engine.explanation.explainer import form_of
from predictions.engine.training import TrainedModel

CODE = """
import json, pathlib, sys
import numpy
from predictions.engine.explanation.explainer import Explainer, from_bytes

form = from_bytes(pathlib.Path(sys.argv[1]).read_bytes())
explained = Explainer(form).explain(form.samples[0])
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"loaded": loaded, "probability": explained.probability}))
"""
HEAVY = {
    "django", "matplotlib", "onnx", "onnxruntime", "pandas", "pyarrow", "safetensors", "scipy",
    "shap", "sklearn", "skops", "torch",
}  # fmt: skip


def test_explaining_loads_numpy_alone(
    trained: TrainedModel, matrix: NDArray[np.float32], tmp_path: Path
) -> None:
    form = form_of(trained, matrix)
    file = tmp_path / "explainer.npz"
    file.write_bytes(form.to_bytes())

    done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-c", CODE, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    found = json.loads(done.stdout)
    assert "numpy" in found["loaded"]
    assert not HEAVY & set(found["loaded"])
    assert abs(found["probability"] - trained.predict(form.samples[:1])[0]) < 1e-6
