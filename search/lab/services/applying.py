"""What a tuning run found, given to a collection."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from search.models import Collection
from search.services import collections

#: Options of a build within those of a collection.
_BUILD = "build"


def configure(*, result: Mapping[str, Any], collection: str, actor: Actor) -> Collection:
    """Write the graph that a tuning run found into the options of a collection.

    Parameters
    ----------
    result : mapping
        Of the run, see `search.lab.services.tuning.work`.
    collection : str
        Its name; its other options stay.

    Raises
    ------
    Conflict
        If the graph is of an engine that no collection has, or its recall was not reached on the
        questions that prove.
    NotFound
        If there is no such collection.
    """
    found = result["options"].get(_BUILD)
    if found is None:
        raise Conflict(
            _("Collections are searched by the engine millwright: %(engine)s cannot be applied.")
            % {"engine": result["engine"]},
            code="other_engine",
        )
    if not result["reached"]:
        raise Conflict(
            _(
                "Nothing was applied: on questions that chose nothing the recall is not surely "
                "reached. Tune on more passages, or ask for a little less."
            ),
            code="target_not_reached",
        )
    with transaction.atomic():
        locked = collections.lock(collections.get(collection))
        build = {**locked.options.get(_BUILD, {}), **found}
        options = {**locked.options, _BUILD: build}
        return collections.configure(collection=locked, actor=actor, options=options)
