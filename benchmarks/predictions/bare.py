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


class Shots(BaseModel):
    """Many shots."""

    instances: list[dict[str, float]]


def score(shots: list[dict[str, float]]) -> list[dict[str, object]]:
    """Return one answer a shot."""
    rows = np.array([[shot[name] for name in names] for shot in shots], dtype=np.float32)
    probability, latent = session.run(("probability", "latent"), {"features": rows})
    return [
        {
            "prediction": {"class": "defect" if value >= threshold else "ok", "probability": value},
            "latent_features": vector,
        }
        for value, vector in zip(probability.tolist(), latent.tolist(), strict=True)
    ]


@app.post("/predict")
async def predict(shot: Shot) -> dict[str, object]:
    """Score one shot."""
    started = time.perf_counter()
    (answer,) = score([shot.features])
    return answer | {"processing_time_ms": (time.perf_counter() - started) * 1000}


@app.post("/predict/batch")
async def predict_many(shots: Shots) -> dict[str, object]:
    """Score many shots."""
    started = time.perf_counter()
    answers = score(shots.instances)
    return {
        "predictions": answers,
        "processing_time_ms": (time.perf_counter() - started) * 1000,
    }
