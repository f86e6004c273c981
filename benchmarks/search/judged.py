"""Judged collections, read from a folder that is given: KorQuAD 1.0 and Cranfield."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from search.engine.passages import Passage

#: Cranfield's code of a judgement that says "not relevant".
NOT_RELEVANT = 5


@dataclass(frozen=True)
class Collection:
    """Passages, and questions with the gains of their answers.

    Attributes
    ----------
    questions : list of (str, mapping)
        Text, and gain by passage id.
    """

    name: str
    passages: list[Passage]
    questions: list[tuple[str, Mapping[str, float]]]


def korquad(folder: Path) -> Collection:
    """Read the development set: a question's answer is its own paragraph."""
    content = json.loads((folder / "korquad1" / "KorQuAD_v1.0_dev.json").read_text("utf-8"))
    passages: list[Passage] = []
    questions: list[tuple[str, Mapping[str, float]]] = []
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            number = f"k{len(passages)}"
            passages.append(Passage(number, number, paragraph["context"]))
            questions += [(one["question"], {number: 1.0}) for one in paragraph["qas"]]
    return Collection("KorQuAD", passages, questions)


def cranfield(folder: Path) -> Collection:
    """Read abstracts and queries; a judgement of 1 to 4 has gain 1.

    Queries are numbered in the judgements by their order, not by their own number.
    """
    base = folder / "cranfield"
    passages = []
    for number, parts in _records((base / "cran.all.1400").read_text("latin-1")):
        passages.append(Passage(number, number, parts.get("W", "") or "-", parts.get("T", "")))
    gains: dict[str, dict[str, float]] = {}
    for line in (base / "cranqrel").read_text("ascii").splitlines():
        query, document, code = line.split()[:3]
        if int(code) != NOT_RELEVANT:
            gains.setdefault(query, {})[document] = 1.0
    queries = [parts["W"] for _, parts in _records((base / "cran.qry").read_text("latin-1"))]
    questions: list[tuple[str, Mapping[str, float]]] = [
        (text, gains[str(order)])
        for order, text in enumerate(queries, start=1)
        if str(order) in gains
    ]
    return Collection("Cranfield", passages, questions)


def _records(text: str) -> list[tuple[str, dict[str, str]]]:
    found = []
    for piece in re.split(r"^\.I ", text, flags=re.MULTILINE)[1:]:
        number, _, rest = piece.partition("\n")
        parts = re.split(r"^\.([A-Z])\s*$", rest, flags=re.MULTILINE)[1:]
        fields = {
            name: " ".join(content.split())
            for name, content in zip(parts[::2], parts[1::2], strict=True)
        }
        found.append((str(int(number)), fields))
    return found
