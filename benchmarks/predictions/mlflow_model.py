"""Save an ONNX file as MLflow models: mlflow_model.py MODEL.onnx FOLDER.

FOLDER/tensor is the onnx flavor, which takes the rows as one array; FOLDER/named takes a data frame
with named columns, as the portal and the other servers take named values.
"""

import json
import sys
from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import onnx
import pandas as pd


class Named(mlflow.pyfunc.PythonModel):
    """The model for data frames."""

    def load_context(self, context: Any) -> None:
        """Open the ONNX file."""
        import onnxruntime  # noqa: PLC0415 - in the server, not where the model is saved

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        model = Path(context.artifacts["model"]).read_bytes()
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.names = [one["name"] for one in json.loads(metadata["signature"])["features"]]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Score rows."""
        rows = model_input[self.names].to_numpy(np.float32)
        probability, latent = self.session.run(("probability", "latent"), {"features": rows})
        return {"probability": probability.tolist(), "latent_features": latent.tolist()}


if __name__ == "__main__":
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    mlflow.onnx.save_model(onnx.load(model), folder / "tensor")
    mlflow.pyfunc.save_model(
        folder / "named",
        python_model=Named(),
        artifacts={"model": str(model)},
        pip_requirements=["onnxruntime", "pandas", "numpy"],
    )
