"""A small campaign repeated on schedule, and an alert when it became slower or less exact.

A cell that became worse stays named until a repetition shows that it is not worse any more: one in
which it failed, was disturbed or could not be told apart ends nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.models import Alert
from portal.runs.context import RunContext
from portal.runs.models import Run, State
from search.lab import selectors
from search.lab.engine.analysis.comparing import FASTER, SAME
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, comparing, naming, running
from search.lab.services.comparing import Comparison, Worse

_NAMED = 5
#: In what each cell is worse, by its key.
Open = Mapping[str, Sequence[str]]


def repeat(ctx: RunContext) -> dict[str, Any]:
    """Measure a campaign again and compare; an attempt that died is gone on with.

    Returns
    -------
    dict
        ``campaign``, its ``baseline``, the numbers of cells by verdict, what is ``worse`` or was
        and is not known to be over, by the key of the cell; or why nothing was measured.

    Raises
    ------
    Conflict
        If several campaigns have the name that is given.
    """
    wanted = str(ctx.parameters.get("campaign", ""))
    first = _first(wanted)
    if first is None:
        ctx.log(_("There is no campaign “%(name)s” to repeat.") % {"name": wanted}, level="warning")
        return {"skipped": "no_campaign"}
    again = Campaign.objects.filter(run=ctx.run_id).first() or _again(ctx, first)
    running.measure(ctx, again)
    if again.cells.filter(state=CellResult.State.WAITING).exists():
        ctx.log(_("The campaign rests before its end, so nothing is compared."), level="warning")
        return {"campaign": str(again.pk), "skipped": "rests"}
    found = comparing.judge(then=first, now=again)
    still = still_worse(found, worse_before(first))
    _say_what_is_not_known(ctx, found, still)
    tell(first, again, found.worse, still)
    kept = {key: list(ways) for key, ways in still.items()}
    return {"campaign": str(again.pk), "baseline": str(first.pk), "worse": kept, **found.counts}


def _first(wanted: str) -> Campaign | None:
    """Return the campaign of a number or a name, itself no repetition."""
    known = Campaign.objects.filter(baseline=None)
    try:
        return known.filter(pk=UUID(wanted)).first()
    except ValueError:
        found = list(known.filter(name=wanted))
    return naming.only(found, wanted) if found else None


def worse_before(first: Campaign) -> Open:
    """Return what the last repetition of a campaign left open."""
    if not Alert.objects.open().filter(key=_key(first)).exists():
        return {}
    ended = Run.objects.filter(state=State.SUCCEEDED, result__baseline=str(first.pk))
    last = ended.order_by("-finished_at").first()
    if last is not None:
        return dict(last.result.get("worse", {}))
    # Whoever raised it did not note of which cells: it may be any.
    keys = first.cells.filter(state=CellResult.State.MEASURED).values_list("key", flat=True)
    return dict.fromkeys(keys, (comparing.SLOWER, comparing.LESS_EXACT))


def still_worse(found: Comparison, before: Open) -> dict[str, list[str]]:
    """Return in what cells are worse now, and in what they were and are not known not to be.

    Parameters
    ----------
    before : mapping
        What was open until now.
    """
    now = {one.key: list(one.ways) for one in found.worse}
    for key, ways in before.items():
        left = [way for way in ways if not _is_over(found, key, way)]
        if left:
            now[key] = list(dict.fromkeys([*now.get(key, []), *left]))
    return now


def _is_over(found: Comparison, key: str, way: str) -> bool:
    """Whether a repetition shows that a cell is no longer worse in some way."""
    row = found.now.cells.filter(key=key, state=CellResult.State.MEASURED).first()
    if row is None or selectors.is_altered(row) or selectors.missing(row.facts):
        return False
    if way in {comparing.NO_INDEX, comparing.SHORT}:
        return way not in selectors.flags(row.facts)
    if way == comparing.FAILED:
        return True
    compared = next((one for one in found.cells if one.cell.key == key), None)
    if compared is None:
        return False
    if way == comparing.LESS_EXACT:
        return not compared.is_less_exact
    return compared.verdict in {SAME, FASTER}


def tell(first: Campaign, again: Campaign, worse: Sequence[Worse], still: Open) -> None:
    """Raise the alert of a campaign, leave it as it is, or end it when nothing is worse any more.

    Parameters
    ----------
    worse : sequence of Worse
        What this repetition found.
    still : mapping
        See `still_worse`.
    """
    if not still:
        alerts.resolve_alert(_key(first))
        return
    if not worse:
        return
    alerts.raise_alert(
        _key(first),
        Alert.Severity.WARNING,
        lambda: (
            _(
                "“%(name)s” (campaign %(campaign)s) was measured again and %(count)d cells are "
                "worse than then: %(cells)s. Compare the versions and the load of both campaigns."
            )
            % {
                "name": first.name,
                "campaign": first.pk,
                "count": len(worse),
                "cells": "; ".join(comparing.said(one) for one in worse[:_NAMED]),
            }
        ),
        f"{reverse('admin:lab_campaign_compare')}?then={first.pk}&now={again.pk}",
    )


def _say_what_is_not_known(ctx: RunContext, found: Comparison, still: Open) -> None:
    """Log cells that were worse before and of which this repetition says nothing better."""
    now = {one.key for one in found.worse}
    for label in _labels(found, still.keys() - now):
        text = _("%(cell)s was worse before, and this repetition does not show that it is over.")
        ctx.log(text % {"cell": label}, level="warning", cell=label)


def _labels(found: Comparison, keys: Iterable[str]) -> list[str]:
    return [selectors.label(row.what) for row in found.now.cells.filter(key__in=list(keys))]


def _key(first: Campaign) -> str:
    return f"lab.regression.{first.pk}"


def _again(ctx: RunContext, first: Campaign) -> Campaign:
    with ctx.fenced() as run:
        made = campaigns.repeat(campaign=first)
        Campaign.objects.filter(pk=made.pk).update(run=run)
    return made
