"""A small campaign repeated on schedule, and an alert when it became slower or less exact."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.models import Alert
from portal.runs.context import RunContext
from search.lab import selectors
from search.lab.engine.analysis.comparing import SLOWER, Compared
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, comparing, running

#: A mean recall@10 lower by more than this is less exact. Ours.
MOST_RECALL_LOST = 0.01
_NAMED = 5


def repeat(ctx: RunContext) -> dict[str, Any]:
    """Measure a named campaign again and compare; an attempt that died is gone on with.

    Returns
    -------
    dict
        ``campaign`` and the numbers of cells by verdict, or why nothing was measured.
    """
    name = str(ctx.parameters.get("campaign", ""))
    first = Campaign.objects.filter(name=name, baseline=None).order_by("-created_at").first()
    if first is None:
        ctx.log(_("There is no campaign “%(name)s” to repeat.") % {"name": name}, level="warning")
        return {"skipped": "no_campaign"}
    again = Campaign.objects.filter(run=ctx.run_id).first() or _again(ctx, first)
    running.measure(ctx, again)
    if again.cells.filter(state=CellResult.State.WAITING).exists():
        ctx.log(_("The campaign rests before its end, so nothing is compared."), level="warning")
        return {"campaign": str(again.pk), "skipped": "rests"}
    found = comparing.compare(then=first, now=again)
    tell(first, again, worse(found.cells), is_whole=not found.left_out)
    return {"campaign": str(again.pk), **found.counts}


def worse(cells: Sequence[Compared]) -> list[Compared]:
    """Return the cells that became slower or less exact."""
    return [one for one in cells if one.verdict == SLOWER or one.recall_change < -MOST_RECALL_LOST]


def tell(
    first: Campaign, again: Campaign, found: Sequence[Compared], *, is_whole: bool = True
) -> None:
    """Raise the alert of a campaign, or end it when nothing is worse any more.

    Parameters
    ----------
    is_whole : bool
        Whether every cell was compared: else a cell that was worse may be so still, and the alert
        stays as it is.
    """
    key = f"lab.regression.{first.pk}"
    if not found:
        if is_whole:
            alerts.resolve_alert(key)
        return
    alerts.raise_alert(
        key,
        Alert.Severity.WARNING,
        lambda: _message(first, found),
        f"{reverse('admin:lab_campaign_compare')}?then={first.pk}&now={again.pk}",
    )


def _message(first: Campaign, found: Sequence[Compared]) -> str:
    """Return what is told, in the language of the moment."""
    cells = (
        _("%(cell)s: latency x%(ratio)s, recall %(change)s")
        % {
            "cell": selectors.label(one.cell),
            "ratio": f"{one.ratio.value:.2f}",
            "change": f"{one.recall_change:+.3f}",
        }
        for one in found[:_NAMED]
    )
    return _(
        "“%(name)s” was measured again and %(count)d cells are slower or less exact than "
        "then: %(cells)s. Compare the versions and the load of both campaigns."
    ) % {"name": first.name, "count": len(found), "cells": "; ".join(cells)}


def _again(ctx: RunContext, first: Campaign) -> Campaign:
    with ctx.fenced() as run:
        made = campaigns.repeat(campaign=first)
        Campaign.objects.filter(pk=made.pk).update(run=run)
    return made
