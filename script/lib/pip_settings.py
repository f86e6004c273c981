"""Print pip's package sources as uv's options, each ended by a zero byte.

pip and uv read different settings; whoever has told pip where packages come from has told us.

    pip_settings.py            all of them
    pip_settings.py --shared   none that lie on this machine

A folder here holds the wheels of one Python; a lock made from it lacks the hashes of the others.
"""

import ast
import subprocess
import sys

OPTIONS = {
    "find-links": "--find-links",
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "trusted-host": "--allow-insecure-host",
}
SECTIONS = ("global", "install", ":env:")


def settings() -> dict[str, dict[str, str]]:
    """Return pip's settings by section."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.stdout.splitlines():
        key, _equals, value = line.partition("=")
        section, _dot, name = key.rpartition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return found


def is_local(source: str) -> bool:
    """Whether a package source is a folder of this machine."""
    return "://" not in source or source.startswith("file:")


def words(*, shared_only: bool = False) -> list[str]:
    """Return uv's options; of a setting in several sections the last counts, as in pip."""
    merged: dict[str, str] = {}
    for section in settings().values():
        merged |= section
    options = [
        word
        for name, option in OPTIONS.items()
        for value in merged.get(name, "").split()
        if name == "trusted-host" or not (shared_only and is_local(value))
        for word in (option, value)
    ]
    if merged.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        options.append("--no-index")
    return options


if __name__ == "__main__":
    shared_only = sys.argv[1:] == ["--shared"]
    sys.stdout.write("".join(f"{word}\0" for word in words(shared_only=shared_only)))
