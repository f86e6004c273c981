"""What a run says it ran on."""

from pathlib import Path
from typing import Any

import pytest

from portal.runs import provenance

COMMIT = "3dd95182fbb9db23947191b3090eeadbe80f2052"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    provenance.code_revision.cache_clear()


def git(root: Path, head: str) -> Path:
    folder = root / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    (folder / "HEAD").write_text(f"{head}\n")
    return folder


def test_a_branch_is_followed_to_its_commit(tmp_path: Path) -> None:
    folder = git(tmp_path, "ref: refs/heads/main")
    (folder / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert provenance.read_git_revision(tmp_path) == COMMIT


def test_a_packed_branch_is_found(tmp_path: Path) -> None:
    folder = git(tmp_path, "ref: refs/heads/main")
    (folder / "packed-refs").write_text(
        f"# pack-refs\n{'0' * 40} refs/tags/x\n{COMMIT} refs/heads/main\n"
    )
    assert provenance.read_git_revision(tmp_path) == COMMIT


def test_a_commit_checked_out_by_itself_is_found(tmp_path: Path) -> None:
    git(tmp_path, COMMIT)
    assert provenance.read_git_revision(tmp_path) == COMMIT


def test_a_second_work_tree_is_followed(tmp_path: Path) -> None:
    folder = git(tmp_path / "main", "ref: refs/heads/main")
    (folder / "refs" / "heads" / "side").write_text(f"{COMMIT}\n")
    own = folder / "worktrees" / "side"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/side\n")
    (own / "commondir").write_text("../..\n")
    tree = tmp_path / "side"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {own}\n")
    assert provenance.read_git_revision(tree) == COMMIT


@pytest.mark.parametrize("head", ["ref: refs/heads/unborn", "nonsense"])
def test_a_checkout_without_a_commit_has_no_revision(tmp_path: Path, head: str) -> None:
    git(tmp_path, head)
    assert provenance.read_git_revision(tmp_path) == ""


def test_a_baked_version_comes_first(tmp_path: Path, settings: Any) -> None:
    settings.BASE_DIR = tmp_path
    (git(tmp_path, COMMIT).parent / "VERSION").write_text("0.1.0+abc\n")
    assert provenance.code_revision() == "0.1.0+abc"


def test_without_both_the_release_is_named(tmp_path: Path, settings: Any) -> None:
    settings.BASE_DIR = tmp_path
    assert provenance.code_revision() == f"release {settings.VERSION}"


def test_library_versions_are_those_installed() -> None:
    versions = provenance.library_versions()
    assert versions["python"].startswith("3.")
    assert {"Django", "numpy", "scikit-learn"} <= set(versions)
