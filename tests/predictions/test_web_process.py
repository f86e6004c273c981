"""What a web process loads: it serves models and trains none."""

import os
import subprocess
import sys
from pathlib import Path

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


FORKED = """
import os, sys, threading
from portal import web
web.load()
threads = {one.name for one in threading.enumerate()} - {"MainThread", "lifesign"}
paths = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
opened = [path for path in paths if "socket:" in path or path.endswith((".db", ".sqlite3"))]
before = set(sys.modules)
engine = {"duckdb", "faiss", "pyarrow", "tantivy", "whitenoise"} <= before
if (worker := os.fork()) == 0:
    import portal.wsgi
    of_ours = {"portal", "predictions", "search", "monitoring", "tuning"}
    late = {name for name in set(sys.modules) - before if name.partition(".")[0] in of_ours}
    known = len(late) < 20 and engine
    print(sorted(threads), opened, known, portal.wsgi.application is not None, flush=True)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
"""


def test_a_worker_is_forked_from_what_is_loaded_and_holds_nothing_open(
    child_environment: dict[str, str],
) -> None:
    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", FORKED],
        env=child_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout.strip() == "[] [] True True", done.stdout + done.stderr


def test_nothing_is_kept_or_told_about_what_the_models_runtime_does(
    child_environment: dict[str, str], tmp_path: Path
) -> None:
    program = "import os, portal.wsgi; os._exit(0)"
    environment = child_environment | {"HOME": os.fspath(tmp_path), "XDG_CACHE_HOME": ""}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", program], env=environment, check=True, timeout=60
    )

    assert list(tmp_path.iterdir()) == []
