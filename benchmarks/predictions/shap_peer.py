"""The other side of the explanation benchmark: shap with a kept explainer, matplotlib's picture.

Runs under an interpreter that has shap, matplotlib, skops and the portal's scikit-learn. Reads a
training form's path, then one shot a line as a JSON list; answers each with its contributions and
the milliseconds that they and the picture took.
"""

import io
import json
import sys
import time

import matplotlib as mpl
import numpy as np
import shap
from skops import io as skops_io

mpl.use("Agg")


def main() -> None:
    """Answer until the input ends."""
    from matplotlib import pyplot  # noqa: PLC0415 - after the backend is chosen

    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - the path is ours
        data = file.read()
    trusted = skops_io.get_untrusted_types(data=data)
    content = skops_io.loads(data, trusted=trusted)
    slope = content["calibration"]["slope"]
    explainer = shap.TreeExplainer(content["learner"]["estimator"])
    for line in sys.stdin:
        row = np.array([json.loads(line)], dtype=np.float32)
        started = time.perf_counter()
        explanation = explainer(row)
        explained_s = time.perf_counter() - started
        shap.plots.waterfall(explanation[0], show=False)
        pyplot.savefig(io.BytesIO(), format="png")
        pyplot.close("all")
        drawn_s = time.perf_counter() - started - explained_s
        answer = {
            "values": (explanation.values[0] * slope).tolist(),
            "explain_ms": explained_s * 1000,
            "draw_ms": drawn_s * 1000,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
