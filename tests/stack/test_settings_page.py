import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES = ("portal", "predictions", "monitoring", "script")
INTERNAL = {"MILLWRIGHT_STACK", "MILLWRIGHT_ALIVE"}  # what the stack tells its own processes
READ = re.compile(
    r"""env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"|environ(?:\.get\()?\[?"([A-Z][A-Z0-9_]+)"|(MILLWRIGHT_[A-Z0-9_]+)"""
)


def names_in(*places: str) -> set[str]:
    paths = [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    texts = (path.read_text() for path in paths if path.suffix in {".py", ".sh", ""})
    return {name for text in texts for match in READ.findall(text) for name in match if name}


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    read = names_in(*PLACES) - INTERNAL
    ours = {name for name in read if name.startswith("MILLWRIGHT_") or name.endswith("_URL")}

    assert len(ours) > 30
    assert sorted(name for name in ours if f"`{name}`" not in page) == []


def test_no_setting_is_documented_that_nothing_reads() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    documented = set(re.findall(r"`(MILLWRIGHT_[A-Z0-9_]+)`", page))

    assert documented - names_in(*PLACES) == set()
