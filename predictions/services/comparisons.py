"""Read the comparison that an ablation campaign keeps, whole or as far as it has come."""

import json
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from portal.core.errors import NotFound
from portal.runs import artifacts
from predictions.models import Ablation


def table(ablation: Ablation) -> dict[str, Any] | None:
    """Return a campaign's comparison; None before its first cell is done.

    Raises
    ------
    Corrupt
        When the kept file is damaged.
    """
    digest = ablation.table_digest
    if digest is None:
        return None
    content: dict[str, Any] = json.loads(artifacts.read(digest))
    return content


def find(identifier: UUID) -> Ablation:
    """Return a campaign.

    Raises
    ------
    NotFound
        When no campaign has that id.
    """
    ablation = Ablation.objects.filter(pk=identifier).first()
    if ablation is None:
        raise NotFound(_("There is no ablation campaign %(id)s.") % {"id": identifier})
    return ablation
