"""What a web process loads: it serves models and trains none."""

import subprocess
import sys

PROGRAM = """
import os, sys
import portal.wsgi
heavy = {
    "sklearn", "torch", "pandas", "scipy", "onnx", "skops", "matplotlib", "shap", "river",
    "duckdb", "faiss", "tantivy", "pypdf", "docx", "fpdf", "boto3", "plotly",
}
print(sorted(heavy & set(sys.modules)), flush=True)
os._exit(0)
"""


def test_the_web_process_loads_nothing_that_trains_reads_files_or_draws(
    child_environment: dict[str, str],
) -> None:
    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", PROGRAM],
        env=child_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout.strip() == "[]", done.stdout + done.stderr
