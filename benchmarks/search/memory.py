"""What one process holds in memory for an index: opens it, asks questions, reads its own maps."""

import argparse
import json
import os
import re
import sys
from pathlib import Path

import psutil

from benchmarks.search.corpus import Corpus
from search.engine.index import open_index

_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")


def resident_mb(folder: Path) -> dict[str, float]:
    """Return the resident part of each mapped file of a folder, in MB of a million bytes."""
    found: dict[str, float] = {}
    name = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if _HEAD.match(line):
            path = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) > 5 else ""
            name = Path(path).name if path.startswith(os.fspath(folder)) else ""
        elif name and line.startswith("Rss:"):
            found[name] = found.get(name, 0.0) + int(line.split()[1]) * 1024 / 1e6
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=500)
    given = parser.parse_args()
    folder = given.folder.resolve()
    process = psutil.Process()
    before = process.memory_full_info()
    index = open_index(folder, verify_files=False)
    opened = process.memory_full_info()
    for question in Corpus.make().questions(given.questions):
        index.search(question)
    asked = process.memory_full_info()
    sys.stdout.write(json.dumps({
        "mapped_mb": resident_mb(folder),
        "private_opened_mb": (opened.uss - before.uss) / 1e6,
        "private_asked_mb": (asked.uss - before.uss) / 1e6,
        "process_private_mb": asked.uss / 1e6,
        "process_pss_mb": asked.pss / 1e6,
    }) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
