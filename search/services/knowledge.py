"""The knowledge base that ships with the product, so that the first question has an answer.

It is imported once. What people then change, add or delete in the collection is theirs.
"""

import json
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import NotFound
from search.models import Collection
from search.services import collections, judgements

NAME = "knowledge"
FOLDER = Path(__file__).resolve().parent.parent / "knowledge"
JUDGED = FOLDER / "judged.json"
ACTOR = Actor.system("demonstration")


def ensure() -> Collection:
    """Return the collection of the knowledge base, made now if there was none."""
    try:
        return collections.get(NAME)
    except NotFound:
        return collections.create(
            name=NAME,
            title=_("Die casting knowledge base"),
            description=_("Defects, causes, process windows, sensors and safety."),
            actor=ACTOR,
        )


def is_imported(collection: Collection) -> bool:
    """Whether the collection was ever filled; deleted documents count, for somebody chose that."""
    return collection.sequence > 0


def ensure_judgements(collection: Collection) -> int:
    """Keep the judged queries that ship with it, unless there are some; return how many."""
    if not JUDGED.is_file() or collection.judged_queries.exists():
        return 0
    rows: list[dict[str, Any]] = json.loads(JUDGED.read_text())
    return judgements.import_list(collection=collection, rows=rows, actor=ACTOR)
