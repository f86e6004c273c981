"""The portal's own house: settings, stack, core, runs, registry and console."""

import os

# ONNX Runtime would keep a database in the home directory and report what is used to its maker, in
# two threads of its own; it reads this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
