"""Read what commands are given: JSON objects and data sets."""

import json
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from predictions.models import Dataset


def json_object(text: str) -> dict[str, Any]:
    """Return the parameters of ``--params``.

    Raises
    ------
    CommandError
        When it is no JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise CommandError(
            _("--params is no JSON (%(reason)s); write it as '{\"n_estimators\": 300}'.")
            % {"reason": exc}
        ) from exc
    if not isinstance(value, dict):
        raise CommandError(_("--params must be a JSON object of names and values."))
    return value


def dataset(wanted: str, kind: Dataset.Kind = Dataset.Kind.QUALITY) -> Dataset:
    """Return a data set by number or name, or the one of its kind imported last.

    Raises
    ------
    CommandError
        When there is none, naming the latest ones.
    """
    every = Dataset.objects.order_by("-created_at", "-pk")
    if wanted == "latest":
        found = every.filter(kind=kind).first()
    elif wanted.isdecimal():
        found = every.filter(pk=int(wanted)).first()
    else:
        found = every.filter(name=wanted).first()
    if found is None:
        known = ", ".join(f"{row.pk} “{row.name}”" for row in every[:10]) or "-"
        raise CommandError(
            _("There is no data set “%(wanted)s”. The latest are: %(known)s.")
            % {"wanted": wanted, "known": known}
        )
    return found
