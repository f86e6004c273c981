"""The same by shap and matplotlib; runs under an interpreter that has them."""

import sys
import time

started = time.perf_counter()

import io  # noqa: E402 - the imports are measured

import matplotlib as mpl  # noqa: E402 - as above

mpl.use("Agg")

import numpy as np  # noqa: E402 - as above
import shap  # noqa: E402 - as above
from matplotlib import pyplot  # noqa: E402 - as above

values = np.array([(-1) ** n / (n + 2) for n in range(11)])
names = [f"Casting pressure {n} = 71.3 MPa" for n in range(11)]
explanation = shap.Explanation(values, base_values=-1.2, data=values, feature_names=names)
shap.plots.waterfall(explanation, max_display=11, show=False)
pyplot.savefig(io.BytesIO(), format="png")
sys.stdout.write(f"{(time.perf_counter() - started) * 1000}")
