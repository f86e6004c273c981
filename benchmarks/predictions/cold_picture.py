"""The first PNG of a fresh process: prints the milliseconds from its imports to the bytes."""

import sys
import time
from pathlib import Path

started = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from portal.lib import raster  # noqa: E402 - the import is measured
from predictions.engine.explanation import waterfall  # noqa: E402 - the import is measured
from predictions.engine.explanation.waterfall import Captions, Step  # noqa: E402 - as above

steps = [Step(f"Casting pressure {n} = 71.3 MPa", (-1) ** n / (n + 2)) for n in range(11)]
captions = Captions("What made the defect probability", "Before anything is known", "This shot")
raster.png(waterfall.draw(steps, -1.2, captions, palette=waterfall.PLAIN))
sys.stdout.write(f"{(time.perf_counter() - started) * 1000}")
