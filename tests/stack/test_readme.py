"""The README: whatever it tells a stranger to type must work as it is written."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.management import get_commands, load_command_class

from tests.live import ROOT, LiveStack, live
from tests.waiting import wait_for

PAGES = ("README.md", "docs/README.ko.md")
FIRST_STEPS = ("script/server", "script/test")
#: A quick training instead of the thorough one that a person waits for; nothing else is changed.
QUICK = json.dumps(
    {"n_estimators": 20, "n_folds": 2, "n_inner_folds": 2, "n_bootstraps": 20, "compare": False}
)
CROWN = """
from portal.runs.models import Run
from predictions.services import demo
demo.crown(Run.objects.filter(kind="predictions.train_quality").latest("created_at"))
"""


def blocks(page: str) -> list[str]:
    """Return the indented blocks of a page, line continuations joined."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    found = re.findall(r"(?:^(?: {4,}\S.*)$\n?)+", text, flags=re.MULTILINE)
    return [dedent(block).strip() for block in found if is_code(block)]


def is_code(block: str) -> bool:
    return block.lstrip().startswith(("script/", "KEY=", "curl "))


def commands(page: str) -> Iterator[str]:
    for block in blocks(page):
        yield from (line.strip() for line in block.splitlines())


def called(line: str) -> Iterator[list[str]]:
    """Yield the words of every call of a script within a line, redirections left out."""
    for call in re.findall(r"script/[^>#)|]*", line):
        yield shlex.split(call)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_the_whole_way(page: str) -> None:
    lines = list(commands(page))
    wanted = (*FIRST_STEPS, "import_dataset", "train", "create_key", "curl")
    assert [word for word in wanted if not any(word in line for line in lines)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_script_and_command_it_names_takes_the_words_it_shows(page: str) -> None:
    known = get_commands()
    for line in commands(page):
        for script, *words in called(line):
            assert (ROOT / script).stat().st_mode & 0o111, f"{script} in {line}"
            if script == "script/manage":
                command = load_command_class(known[words[0]], words[0])
                command.create_parser("manage", words[0]).parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_variable_is_made_by_a_line_before(page: str) -> None:
    made: set[str] = set()
    for line in commands(page):
        used = set(re.findall(r"(?<![>\w/.])@?([\w-]+\.(?:csv|json))\b", line.partition(">")[0]))
        used |= {f"${name}" for name in re.findall(r"\$([A-Z]+)", line)}
        assert used <= made, line
        made |= set(re.findall(r"> *(\S+)", line))
        made |= {f"${name}" for name in re.findall(r"^([A-Z]+)=", line)}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_and_picture_it_points_at_exists(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert links
    assert [link for link in links if not (folder / link).exists()] == []


def test_every_picture_is_shown_on_some_page() -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
    pictures = sorted(path.name for path in (ROOT / "docs" / "images").iterdir())
    assert [name for name in pictures if f"images/{name})" not in pages] == []


@pytest.fixture
def fresh_stack() -> Iterator[LiveStack]:
    """Give a product that nobody has used, so that no earlier promotion decides the answer."""
    with live() as stack:
        wait_for(stack.is_complete, 60)
        yield stack


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_its_lines_lead_from_a_file_to_an_answer(fresh_stack: LiveStack, tmp_path: Path) -> None:
    """The lines as they stand, in one shell, but for the address and a quicker training."""
    manage = tmp_path / "script" / "manage"
    manage.parent.mkdir()
    manage.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/manage.py" "$@"\n')
    manage.chmod(0o755)
    lines = [line for line in commands("README.md") if not line.startswith(FIRST_STEPS)]
    steps = []
    for line in lines:
        steps.append(line.replace("http://127.0.0.1:8000", fresh_stack.url))
        if " train " in line:
            steps[-1] += f" --params {shlex.quote(QUICK)}"
            steps.append(f"script/manage shell -v 0 -c {shlex.quote(CROWN)} >&2")
    script = "\n".join(["set -euo pipefail", *steps])
    done = subprocess.run(  # noqa: S603 - the lines are the README's
        ["bash", "-c", script],  # noqa: S607 - as found on PATH, like a person's
        cwd=tmp_path,
        env=fresh_stack.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout[done.stdout.rindex('{"prediction_id"') :])
    assert answer["prediction"]["class"] in {"ok", "defect"}
