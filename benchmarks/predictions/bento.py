"""The same ONNX file behind BentoML, as its documentation has one serve a model of one's own."""

import json
import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Quality:
    """Scores shots; checks no key and records nothing."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        model = Path(os.environ["BENCHMARK_MODEL"]).read_bytes()
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.names = [one["name"] for one in json.loads(metadata["signature"])["features"]]
        self.threshold = float(metadata["threshold"])

    @bentoml.api
    async def predict(self, features: dict[str, float]) -> dict[str, object]:
        """Score one shot."""
        return self._score([features])[0]

    @bentoml.api
    async def predict_many(self, instances: list[dict[str, float]]) -> list[dict[str, object]]:
        """Score many shots."""
        return self._score(instances)

    def _score(self, shots: list[dict[str, float]]) -> list[dict[str, object]]:
        rows = np.array([[shot[name] for name in self.names] for shot in shots], dtype=np.float32)
        probability, latent = self.session.run(("probability", "latent"), {"features": rows})
        return [
            {
                "class": "defect" if value >= self.threshold else "ok",
                "probability": value,
                "latent_features": vector,
            }
            for value, vector in zip(probability.tolist(), latent.tolist(), strict=True)
        ]
