"""Places on pages that apps further up fill: a page never knows what they show there."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

#: Returns finished markup, nothing when there is nothing to show.
Section = Callable[[HttpRequest, Any], SafeString | str]

RUN = "run"
ALERT = "alert"
#: Above the list of alerts; the row is None.
ALERTS = "alerts"
_sections: dict[str, list[Section]] = {}


def register(place: str, section: Section) -> None:
    """Have something shown at a place, below what was registered before.

    Parameters
    ----------
    place
        Such as :data:`RUN`.
    section
        Called with the request and the row that the page is about.
    """
    _sections.setdefault(place, []).append(section)


def shown(place: str, request: HttpRequest, row: object) -> list[SafeString | str]:
    """Return what is shown at a place of a page."""
    made = (section(request, row) for section in _sections.get(place, ()))
    return [markup for markup in made if markup]
