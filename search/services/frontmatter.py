"""What a Markdown file says of itself: lines ``key: value`` between two lines ``---``."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MARK = "---"
#: Longer heads are text that happens to begin with a rule.
MOST_LINES = 60


@dataclass(frozen=True)
class Head:
    """What stood in front of a text.

    Attributes
    ----------
    id, title, taxonomy, content_type
        Empty where nothing was said.
    date
        None where nothing, or no ISO date, was said.
    metadata
        ``tags`` as a list, and every other key as text.
    """

    id: str = ""
    title: str = ""
    taxonomy: str = ""
    content_type: str = ""
    date: datetime.date | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read(text: str) -> Head:
    """Return the head of a text, an empty one where there is none."""
    lines = text.removeprefix("\ufeff").splitlines()[: MOST_LINES + 2]
    if not lines or lines[0].rstrip() != MARK:
        return Head()
    ends = [place for place, line in enumerate(lines[1:], 1) if line.rstrip() == MARK]
    if not ends:
        return Head()
    said: dict[str, str] = {}
    for line in lines[1 : ends[0]]:
        key, colon, value = line.partition(":")
        if colon and key.strip() and not key.startswith((" ", "-", "#")):
            said[key.strip().lower()] = value.strip().strip("\"'")
    tags = [tag.strip() for tag in said.pop("tags", "").strip("[]").split(",")]
    return Head(
        id=said.pop("id", ""),
        title=said.pop("title", ""),
        taxonomy=said.pop("taxonomy", ""),
        content_type=said.pop("type", ""),
        date=_date(said.pop("date", "")),
        metadata={
            **{key: value[:500] for key, value in said.items() if _is_free(key)},
            **({"tags": tags} if any(tags) else {}),
        },
    )


def _is_free(key: str) -> bool:
    return len(key) <= 100 and key not in ("document_id", "content_type")


def _date(value: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        return None
