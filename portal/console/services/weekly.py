"""The weekly report on the models: quality, drift, runs, promotions, value, from one document."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from django.db.models import Count
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from monitoring.models import DriftEvent, Measurement
from monitoring.services.objectives import definitions, evaluating
from portal.console.services import value
from portal.core import formats
from portal.core.errors import FieldProblem, InvalidInput, PortalError
from portal.lib.documents import Block, Column, Document, Heading, Note, Paragraph, Table
from portal.registry.models import AliasMove
from portal.runs import kinds
from portal.runs.models import Run, State
from predictions.selectors import history
from predictions.services.costs import Prices

LANGUAGES = ("ko", "en")
WEEK = timedelta(days=7)
MOST_EVENTS = 50
Status = Measurement.Status


def week_before(moment: datetime) -> date:
    """Return the Monday of the last whole week before a moment, in the portal's zone."""
    today = timezone.localdate(moment)
    return today - timedelta(days=today.weekday() + 7)


def week_named(text: str) -> date:
    """Return the Monday of the week that a date lies in.

    Raises
    ------
    InvalidInput
        When the text is no date, as ``2026-11-16``.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year < 2100:
        message = _("“%(seen)s” is no date: write it as 2026-05-31.") % {"seen": text[:30]}
        raise InvalidInput(message, problems=[FieldProblem("week", "invalid", message)])
    return day - timedelta(days=day.weekday())


def document(monday: date, language: str) -> Document:
    """Return the report of a week in a language.

    Parameters
    ----------
    monday
        Its first day.
    language
        One of ``LANGUAGES``.
    """
    since, until = _midnight(monday), _midnight(monday + WEEK)
    with translation.override(language):
        blocks = [
            *_quality(since, until),
            *_answers(since, until),
            *_drift(since, until),
            *_runs(since, until),
            *_promotions(since, until),
            *_value(),
        ]
        days = (monday, monday + timedelta(days=6))
        first, last = (date_format(day, "DATE_FORMAT") for day in days)
        return Document(
            title=_("Weekly model report"),
            language=language,
            facts=((_("Week"), f"{first} ~ {last}"),),
            blocks=blocks,
        )


def _quality(since: datetime, until: datetime) -> Iterator[Block]:
    """Tell of each objective what it was over the week, beside its goal."""
    objectives = evaluating.ensure()
    found = [
        (one, evaluating.judged(one, evaluating.look(one, since, until), until))
        for one in objectives
    ]
    n_missed = sum(measured.status == Status.MISSED for _one, measured in found)
    yield Heading(_("Quality"))
    yield (
        Note("bad", _("Objectives missed: %(count)d.") % {"count": n_missed})
        if n_missed
        else Note("good", _("No objective was missed."))
    )
    rows = []
    for one, measured in found:
        known = definitions.BY_KIND[one.kind]
        shown = evaluating.worded(known, measured.value)
        goal = evaluating.worded(known, one.target)
        rows.append((str(known.title), shown, goal, str(Status(measured.status).label)))
    columns = (_("Objective"), _("This week"), _("Goal"), _("State"))
    yield Table([Column(name) for name in columns], rows)


def _answers(since: datetime, until: datetime) -> Iterator[Block]:
    yield Heading(_("Predictions"))
    found = history.summary(history.Wanted(since=since, until=until))
    if not found.n:
        yield Paragraph(_("Nothing was predicted."))
        return
    rows = [
        (_day(part.key), part.n, part.n_defects, formats.share(part.share)) for part in found.days
    ]
    columns = [
        Column(_("Day")),
        Column(_("Shots"), align="right"),
        Column(_("Called a defect"), align="right"),
        Column(_("Defect share"), align="right"),
    ]
    yield Table(columns, rows)


def _day(key: object) -> str:
    return date_format(key, "DATE_FORMAT") if isinstance(key, date) else formats.DASH


def _drift(since: datetime, until: datetime) -> Iterator[Block]:
    yield Heading(_("Drift"))
    events = DriftEvent.objects.filter(opened_at__gte=since, opened_at__lt=until)
    events = events.select_related("window").order_by("opened_at")
    rows = [
        (
            formats.moment(event.opened_at),
            event.get_signal_display(),
            event.get_level_display(),
            round(event.ratio, 2),
            event.get_ending_display() or _("lasts"),
        )
        for event in events[:MOST_EVENTS]
    ]
    if not rows:
        yield Note("good", _("No drift was seen."))
        return
    yield Note("warn", _("Drift events: %(count)d.") % {"count": events.count()})
    columns = [
        Column(_("Began")),
        Column(_("What moved")),
        Column(_("Level")),
        Column(_("Times the threshold"), align="right"),
        Column(_("How it ended")),
    ]
    yield Table(columns, rows)


def _runs(since: datetime, until: datetime) -> Iterator[Block]:
    yield Heading(_("Runs"))
    ended = Run.objects.filter(finished_at__gte=since, finished_at__lt=until)
    counted: dict[str, dict[str, int]] = {}
    for kind, state, n in ended.order_by().values_list("kind", "state").annotate(n=Count("pk")):
        counted.setdefault(kind, {})[state] = n
    if not counted:
        yield Paragraph(_("No run ended."))
        return
    rows = [
        (
            kinds.title_of(kind),
            states.get(State.SUCCEEDED, 0),
            states.get(State.FAILED, 0) + states.get(State.ERRORED, 0),
            states.get(State.CANCELLED, 0),
        )
        for kind, states in sorted(counted.items())
    ]
    names = (_("Succeeded"), _("Failed"), _("Cancelled"))
    columns = [Column(_("Run")), *(Column(name, align="right") for name in names)]
    yield Table(columns, rows)


def _promotions(since: datetime, until: datetime) -> Iterator[Block]:
    yield Heading(_("Promotions and rollbacks"))
    moves = AliasMove.objects.filter(at__gte=since, at__lt=until).order_by("at")
    rows = [
        (
            formats.moment(move.at),
            str(move.to_version or formats.DASH),
            move.get_alias_display(),
            move.get_kind_display(),
            move.actor,
        )
        for move in moves.select_related("to_version__model")
    ]
    if not rows:
        yield Paragraph(_("No version went live or was taken off."))
        return
    names = (_("Time"), _("Version"), _("Alias"), _("How"), _("Who"))
    yield Table([Column(name) for name in names], rows)


def _value() -> Iterator[Block]:
    yield Heading(_("Value of the model"))
    version, known = value.champion(), value.known_prices()
    if version is None or len(known) < 2:
        yield Paragraph(_("Enter prices at the objective of savings, and have a version live."))
        return
    given = {**value.EXAMPLE, **known}
    names = ("missed_defect", "false_alarm", "volume")
    try:
        found = value.of(version, value.Wanted(Prices(*(given[name] for name in names))))
    except PortalError as error:
        yield Paragraph(str(error))
        return
    saved = found.monthly
    yield Paragraph(
        _("%(version)s saves %(saved)s (%(low)s … %(high)s) for every %(shots)s shots.")
        % {
            "version": version,
            "saved": formats.figure(saved.value),
            "low": formats.figure(saved.low),
            "high": formats.figure(saved.high),
            "shots": formats.number(int(given["volume"])),
        }
    )


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
