"""Rules about the code itself that no reader should have to remember."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from portal.runs import kinds

ROOT: Path = settings.BASE_DIR
HEAVY = {
    "torch",
    "sklearn",
    "pandas",
    "matplotlib",
    "shap",
    "skl2onnx",
    "onnx",
    "duckdb",
    "scipy",
}
FRAMEWORKS = {"django", "rest_framework", "celery", "kombu", "redis", "psycopg"}
ENGINES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in (
        "monitoring/engine",
        "predictions/engine",
        "portal/registry/engine",
        "portal/lib",
    )
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "__init__.py"
)
SERVING = ["predictions.engine.serving", "predictions.engine.validate"]
COMMANDS = sorted(
    path.stem
    for path in ROOT.glob("*/**/management/commands/*.py")
    if path.name != "__init__.py" and not {".venv", "var"}.intersection(path.parts)
)


def loaded_by(imports: str) -> set[str]:
    """Return the top-level packages a fresh interpreter has loaded after some statements."""
    words = [
        sys.executable,
        "-c",
        f"{imports}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})",
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own words
    return set(done.stdout.splitlines()[-1].split())


def docs() -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))


def test_the_web_process_loads_no_training_framework() -> None:
    imports = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings'\n"
        "import portal.wsgi, portal.urls\n"
        "from django.urls import get_resolver; get_resolver().url_patterns"
    )
    loaded = loaded_by(imports)
    assert "django" in loaded
    assert not HEAVY.intersection(loaded)


def test_no_engine_loads_a_framework() -> None:
    loaded = loaded_by("\n".join(f"import {name}" for name in ENGINES))
    assert "numpy" in loaded
    assert not FRAMEWORKS.intersection(loaded)


@pytest.mark.parametrize("name", SERVING)
def test_the_serving_engine_is_light(name: str) -> None:
    loaded = loaded_by(f"import {name}")
    assert not loaded.intersection(FRAMEWORKS | HEAVY | {"pyarrow"})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`{command}[ `]", docs())


def test_every_kind_of_run_is_documented() -> None:
    missing = [kind.kind for kind in kinds.all() if f"`{kind.kind}`" not in docs()]
    assert not missing


def test_the_committed_api_document_is_the_one_the_code_makes(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(made), validate=True, fail_on_warn=True)
    committed = (ROOT / "docs" / "openapi.yaml").read_text()
    assert made.read_text() == committed, "script/manage spectacular --file docs/openapi.yaml"
