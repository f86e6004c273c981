"""What a run ran on: code revision, library versions, host."""

import platform
import re
import socket
from functools import cache
from importlib import metadata
from pathlib import Path

from django.conf import settings

LIBRARIES = (
    "Django",
    "celery",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "duckdb",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "skops",
    "torch",
)
REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
POINTER = "ref: "


def _git_folder(root: Path) -> Path | None:
    """Return the folder with a checkout's HEAD; a work tree names it in a file."""
    place = root / ".git"
    if place.is_file():
        place = root / place.read_text().removeprefix("gitdir:").strip()
    return place if (place / "HEAD").is_file() else None


def _common_folder(folder: Path) -> Path:
    """Return where the references lie that all work trees share."""
    pointer = folder / "commondir"
    return folder / pointer.read_text().strip() if pointer.is_file() else folder


def _packed(folder: Path, name: str) -> str:
    path = folder / "packed-refs"
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def read_git_revision(root: Path) -> str:
    """Return the commit checked out at `root` without running git; empty when there is none."""
    folder = _git_folder(root)
    if folder is None:
        return ""
    head = (folder / "HEAD").read_text().strip()
    if head.startswith(POINTER):
        name = head.removeprefix(POINTER)
        common = _common_folder(folder)
        loose = common / name
        head = loose.read_text().strip() if loose.is_file() else _packed(common, name)
    return head if REVISION.fullmatch(head) else ""


@cache
def code_revision() -> str:
    """Return the code's revision: a baked VERSION file, else the checkout, else the release."""
    baked = settings.BASE_DIR / "VERSION"
    if baked.is_file():
        return baked.read_text().strip()[:64]
    return read_git_revision(settings.BASE_DIR) or f"release {settings.VERSION}"


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that can change a result."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()[:120]
