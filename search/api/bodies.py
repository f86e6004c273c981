"""What requests to search say, read without serializers: they would cost more than the search."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from search.engine.options import SearchOptions
from search.engine.problems import EngineError
from search.services.problems import invalid_input
from search.services.serving import MODES, Query

MEMBERS = ("query", "collection", "mode", "top_k", "filters", "taxonomy", "options")
LONGEST_NAME = 60
LONGEST_TAXONOMY = 500
LONGEST_QUERY = 10_000
MOST_HITS = 1000


def query_of(body: Any, *, place: str = "", defaults: Mapping[str, Any] | None = None) -> Query:
    """Return the search that a JSON body asks for.

    Parameters
    ----------
    body
        Decoded JSON.
    place
        Where it stands in the request, as in ``queries[3]``.
    defaults
        Members that count where the body does not name them.

    Raises
    ------
    InvalidInput
        Naming the member, the value seen and the rule.
    """
    given = {**(defaults or {}), **members(body, MEMBERS, place)}
    query = Query(
        collection=text(given, "collection", place, LONGEST_NAME),
        query=text(given, "query", place, LONGEST_QUERY),
        mode=_mode(given.get("mode", "hybrid"), place),
        top_k=_top_k(given.get("top_k", 10), place),
        filters=filters(given.get("filters"), place),
        taxonomy=text(given, "taxonomy", place, LONGEST_TAXONOMY, default=""),
        options=_options(given.get("options"), place),
    )
    if not query.query.strip():
        raise empty("query", place)
    return query


def members(body: Any, allowed: tuple[str, ...], place: str = "") -> dict[str, Any]:
    """Return a body that is an object of known members."""
    if not isinstance(body, dict):
        raise wrong("", _("Send an object with the members %(names)s.") % _names(allowed), place)
    for name in body:
        if name not in allowed:
            message = _("“%(seen)s” is not known here; known are %(names)s.")
            raise wrong(name[:60], message % {"seen": name[:60], **_names(allowed)}, place)
    return body


def text(
    given: Mapping[str, Any], name: str, place: str, longest: int, default: str | None = None
) -> str:
    """Return a member that is text."""
    value = given.get(name, default)
    if value is None:
        raise wrong(name, _("“%(name)s” is missing: send text.") % {"name": name}, place)
    if not isinstance(value, str):
        message = _("“%(name)s” is %(seen)s: send text.")
        raise wrong(name, message % {"name": name, "seen": shown(value)}, place)
    if len(value) > longest:
        message = _("“%(name)s” has %(seen)d characters: at most %(most)d are allowed.")
        words = {"name": name, "seen": len(value), "most": longest}
        raise wrong(name, message % words, place, code="too_long")
    return value


def _mode(value: Any, place: str) -> str:
    if isinstance(value, str) and value in MODES:
        return value
    message = _("“mode” is %(seen)s: use one of %(names)s.")
    raise wrong("mode", message % {"seen": shown(value), **_names(MODES)}, place)


def _top_k(value: Any, place: str) -> int:
    if type(value) is int and 1 <= value <= MOST_HITS:
        return value
    message = _("“top_k” is %(seen)s: send a whole number from 1 to %(most)d.")
    raise wrong("top_k", message % {"seen": shown(value), "most": MOST_HITS}, place)


def filters(value: Any, place: str) -> dict[str, Any] | None:
    """Return filters, None when there are none; what they mean is for the engine to say."""
    if value is None or isinstance(value, dict):
        return value or None
    message = _("“filters” is %(seen)s: send an object of field names and values.")
    raise wrong("filters", message % {"seen": shown(value)}, place)


def _options(value: Any, place: str) -> SearchOptions | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        message = _("“options” is %(seen)s: send an object.")
        raise wrong("options", message % {"seen": shown(value)}, place)
    try:
        return SearchOptions.from_dict(value)
    except EngineError as exc:
        raise invalid_input(exc, field=_path("options", place)) from exc


def empty(name: str, place: str = "") -> InvalidInput:
    """Return the error for a text without a word."""
    message = _("“%(name)s” is empty: write at least one word.") % {"name": name}
    return wrong(name, message, place, code="query_empty")


def wrong(field: str, message: str, place: str = "", code: str = "invalid") -> InvalidInput:
    """Return the error for one member of a body."""
    return InvalidInput(
        message, code=code, problems=[FieldProblem(_path(field, place), code, message)]
    )


def _path(field: str, place: str) -> str:
    return f"{place}.{field}" if place and field else place or field


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:59]}…"


def _names(allowed: tuple[str, ...]) -> dict[str, str]:
    return {"names": ", ".join(allowed)}
