"""The measure: a bare FastAPI endpoint around the same ONNX file; checks and records nothing."""

import json
import os
import time
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    Path(os.environ["BENCHMARK_MODEL"]).read_bytes(), options, providers=["CPUExecutionProvider"]
)
metadata = session.get_modelmeta().custom_metadata_map
names = [feature["name"] for feature in json.loads(metadata["signature"])["features"]]
threshold = float(metadata["threshold"])
app = FastAPI()


class Shot(BaseModel):
    """One shot."""

    features: dict[str, float]


@app.get("/livez")
async def livez() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@app.post("/predict")
async def predict(shot: Shot) -> dict[str, object]:
    """Score one shot."""
    started = time.perf_counter()
    row = np.array([[shot.features[name] for name in names]], dtype=np.float32)
    probability, latent = session.run(("probability", "latent"), {"features": row})
    value = float(probability[0])
    return {
        "prediction": {"class": "defect" if value >= threshold else "ok", "probability": value},
        "latent_features": latent[0].tolist(),
        "processing_time_ms": (time.perf_counter() - started) * 1000,
    }
