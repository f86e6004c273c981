"""Collections: making them, changing how they are built."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound
from portal.registry.models import RegisteredModel
from search.models import Collection
from search.models.collections import AGAIN, model_name
from search.services import configuration

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_NAME = 60
LONGEST_TITLE = 200


def create(
    *,
    name: str,
    actor: Actor,
    title: str = "",
    description: str = "",
    options: Mapping[str, Any] | None = None,
) -> Collection:
    """Make an empty collection.

    Parameters
    ----------
    name
        Lower-case letters, digits and single hyphens, at most 60; fixed for ever.
    actor
        Who asks.
    title
        What people call it; the name when empty.
    description
        What it holds.
    options
        ``build`` and ``cutting``, see :class:`search.services.configuration.Configuration`.

    Raises
    ------
    InvalidInput
        For a name or an option that breaks a rule.
    Conflict
        If there is a collection of that name.
    """
    _check_name(name)
    configuration.parse(options or {})
    try:
        with transaction.atomic():
            made = Collection.objects.create(
                name=name,
                title=_checked_title(title or name),
                description=description,
                options=dict(options or {}),
                created_by_id=actor.user_id,
                generation=1 + _n_before(name),
            )
            audit.record(actor, "collection.create", name, detail={"options": made.options})
    except IntegrityError as exc:
        raise Conflict(
            _("There is a collection “%(name)s” already; use it, or choose another name.")
            % {"name": name},
            code="collection_exists",
        ) from exc
    return made


def get(name: str) -> Collection:
    """Return a collection by name.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = Collection.objects.filter(name=name).first() if "\x00" not in name else None
    if found is None:
        known = ", ".join(Collection.objects.values_list("name", flat=True)[:20]) or _("none")
        raise NotFound(
            _("There is no collection “%(name)s”; there are: %(known)s.")
            % {"name": name[:80], "known": known},
            code="collection_not_found",
        )
    return found


def configure(
    *,
    collection: Collection,
    actor: Actor,
    title: str | None = None,
    description: str | None = None,
    options: Mapping[str, Any] | None = None,
    search_defaults: Mapping[str, Any] | None = None,
    rebuild_share: float | None = None,
) -> Collection:
    """Change a collection; what is None stays. Build options count from the next build on.

    Raises
    ------
    InvalidInput
        For an option or a share that breaks a rule.
    """
    wanted: dict[str, Any] = {}
    if title is not None:
        wanted["title"] = _checked_title(title)
    if description is not None:
        wanted["description"] = description
    if options is not None:
        configuration.parse(options)
        wanted["options"] = dict(options)
    if search_defaults is not None:
        configuration.search_options(search_defaults)
        wanted["search_defaults"] = dict(search_defaults)
    if rebuild_share is not None:
        wanted["rebuild_share"] = _checked_share(rebuild_share)
    with transaction.atomic():
        locked = lock(collection)
        before = {name: getattr(locked, name) for name in wanted}
        for name, value in wanted.items():
            setattr(locked, name, value)
        locked.save(update_fields=list(wanted))
        detail = {"before": before, "after": wanted}
        audit.record(actor, "collection.configure", locked.name, detail=detail)
    return locked


def lock(collection: Collection) -> Collection:
    """Take the lock under which the documents of a collection change."""
    return Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)


def _n_before(name: str) -> int:
    """Return how many collections of a name were deleted after an index was built."""
    first = model_name(name, 1)
    of_name = Q(name=first) | Q(name__startswith=f"{first}{AGAIN}")
    return RegisteredModel.objects.filter(of_name).count()


def _check_name(name: str) -> None:
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        message = _(
            "The name is “%(seen)s”: use 1 to %(most)d lower-case letters, digits and single "
            "hyphens between them."
        ) % {"seen": name[:80], "most": LONGEST_NAME}
        raise InvalidInput(
            message, code="bad_name", problems=[FieldProblem("name", "bad_name", message)]
        )


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not 1 <= len(title) <= LONGEST_TITLE or "\x00" in title:
        message = _("The title has %(seen)d characters: send 1 to %(most)d.") % {
            "seen": len(title),
            "most": LONGEST_TITLE,
        }
        raise InvalidInput(
            message, code="bad_title", problems=[FieldProblem("title", "bad_title", message)]
        )
    return title


def _checked_share(share: float) -> float:
    if not 0.01 <= share <= 1:
        message = _("rebuild_share is %(seen)s: it must lie from 0.01 to 1.") % {"seen": share}
        raise InvalidInput(
            message,
            code="bad_share",
            problems=[FieldProblem("rebuild_share", "bad_share", message)],
        )
    return float(share)
