"""Data sets of routings in the admin: their import and their page."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from portal.core.admin.base import actor_of, grants_of
from predictions.models import Dataset

TEMPLATE = "predictions/routing/dataset.html"


def imported(request: HttpRequest, wanted: Mapping[str, Any]) -> Dataset:
    """Hand two uploaded files to the import service.

    Raises
    ------
    PortalError
        As the service says.
    """
    from predictions.services.routing import datasets  # noqa: PLC0415 - the web process loads no Arrow

    items, routings = wanted["items"], wanted["routings"]
    return datasets.import_routings(
        items=datasets.Upload(items.file, items.name),
        routings=datasets.Upload(routings.file, routings.name),
        name=wanted["name"],
        actor=actor_of(request),
        allow_duplicate=wanted["allow_duplicate"],
    )


def page_context(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    """Return what the page of a data set shows besides the row."""
    return {
        "profile": dataset.profile,
        "may_train": "predictions.train_model" in grants_of(request),
    }
