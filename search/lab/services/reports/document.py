"""The report of a campaign for a reader, in the language of the moment."""

from collections.abc import Iterator
from contextlib import suppress

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.documents import (
    Block,
    Bullets,
    Column,
    Document,
    Facts,
    Heading,
    Paragraph,
    Table,
    Value,
)
from search.lab import selectors
from search.lab.engine.analysis import choosing
from search.lab.engine.problems import MatrixProblem
from search.lab.engine.statistics import Figure
from search.lab.models import Campaign, CellResult
from search.lab.selectors import Line
from search.lab.services.reports import (
    advice,
    again,
    exactness,
    explaining,
    figures,
    findings,
    frontiers,
    outlook,
    warnings,
)
from search.lab.services.reports.findings import Findings


def document(campaign: Campaign, language: str, limits: choosing.Limits | None = None) -> Document:
    """Return the report of a campaign, its texts in the active language."""
    found = findings.gather(campaign, limits)
    return Document(
        title=campaign.name,
        language=language,
        facts=_summary(campaign, found),
        blocks=tuple(_blocks(campaign, found)),
    )


def _summary(campaign: Campaign, found: Findings) -> list[tuple[str, Value]]:
    facts = campaign.environment
    measured = _("%(measured)d of %(all)d") % {
        "measured": len(found.measured),
        "all": len(found.lines),
    }
    machine = ""
    if facts:
        machine = _("%(processor)s, %(cores)s cores, %(memory)s MB") % {
            "processor": facts["processor"],
            "cores": facts["n_cores"],
            "memory": f"{facts['memory_mb']:,}",
        }
    return [
        (_("campaign of the lab"), str(campaign.pk)),
        (_("date"), f"{timezone.localtime(campaign.created_at):%Y-%m-%d}"),
        (_("cells measured"), measured),
        (_("machine"), machine or None),
    ]


def _blocks(campaign: Campaign, found: Findings) -> Iterator[Block]:
    yield from advice.advice(found)
    yield from warnings.warnings(found)
    if found.measured:
        yield from exactness.exactness(campaign, found)
        yield from _cells(found)
        yield from _front(found)
        yield from explaining.effects(found)
        yield from explaining.growth(found)
        yield from outlook.predictions(found)
    yield from outlook.builds(campaign)
    yield from _environment(campaign)
    yield Heading(_("How it was measured"))
    yield Paragraph(
        _(
            "One question at a time, warm-up apart, every sample kept. Recall is the share of the "
            "exact ten best rows that came back. Answers a second are counted with clients in a "
            "closed loop, never derived from a latency."
        )
    )
    yield Paragraph(
        _(
            "Memory is what the measuring process held at most on top of what it held before it "
            "opened the index, pages of mapped files that it read among it; of a database, all "
            "that the session held. Cells of early campaigns do not tell it."
        )
    )
    yield Paragraph(_intervals(campaign))
    with suppress(MatrixProblem):  # of an early campaign on fewer passages than are taken now
        command = again.command(campaign)
        yield Heading(_("To measure it again"), 2)
        yield Paragraph(command)


def _intervals(campaign: Campaign) -> str:
    if campaign.n_passes > 1:
        return _(
            "Each cell was measured in %(count)d passes, in processes of their own that took turns "
            "with the other cells. In brackets: where 95 of 100 repetitions of the whole "
            "measurement are expected, from the spread of the passes and a bootstrap over the "
            "questions."
        ) % {"count": campaign.n_passes}
    return _(
        "Each cell was measured in one pass. In brackets: 95 % intervals by bootstrap over the "
        "questions, and of answers a second by Student's t over parts of the time in which they "
        "were counted. They do not say what a repetition would give."
    )


def _cells(found: Findings) -> Iterator[Block]:
    yield Heading(_("Latency and recall"))
    yield Table(
        (
            Column(_("cell")),
            *(Column(name, "ms", "right") for name in ("p50", "p95", "p99")),
            Column("recall@10", "", "right"),
            Column(_("answered by")),
            Column(_("note")),
        ),
        [
            (
                line.label,
                *(advice.interval(one) for one in (line.p50, line.p95, line.p99, line.recall)),
                selectors.answered_by(line),
                note(line),
            )
            for line in found.lines
        ],
    )
    known = selectors.meanings(found.lines)
    if known:
        yield Paragraph(_("What the notes mean:"))
        yield Bullets(list(known.values()))
    yield from figures.latency(found)
    yield Heading(_("Throughput, memory and build"))
    yield Table(
        (
            Column(_("cell")),
            *(Column(figures.rate_name(count), "", "right") for count in found.clients),
            Column(_("memory"), "MB", "right"),
            Column(_("index"), "MB", "right"),
            Column(_("build"), "s", "right"),
            Column(_("processor time of the build"), "s", "right"),
            Column(_("builds at once"), "", "right"),
            Column(_("load"), "s", "right"),
        ),
        [_resources(line, found) for line in found.measured],
    )


def _resources(line: Line, found: Findings) -> tuple[Value, ...]:
    facts = line.facts or {}
    return (
        line.label,
        *(_answers(line, count) for count in found.clients),
        facts.get("engine_mb"),
        facts["size_bytes"] / 1e6 if "size_bytes" in facts else None,
        facts.get("build_s"),
        facts.get("build_cpu_s"),
        facts.get("builds_at_once"),
        facts.get("load_s"),
    )


def _answers(line: Line, clients: int) -> Value:
    """Return answers a second; without an interval where none was kept with the cell."""
    kept = (line.facts or {}).get("throughput", {}).get(str(clients))
    return advice.interval(Figure(**kept)) if kept else findings.throughput(line).get(clients)


def _front(found: Findings) -> Iterator[Block]:
    yield Heading(_("Worth considering"))
    yield Paragraph(
        _(
            "No other sound cell of the same size, search and filter beats these in recall, "
            "latency and memory at once."
        )
    )
    if not found.front:
        yield Paragraph(_("There is none: every cell has a note against it."))
        return
    yield Table(
        (
            Column(_("cell")),
            Column("recall@10", "", "right"),
            Column("p50", "ms", "right"),
            Column(_("memory"), "MB", "right"),
        ),
        [
            (selectors.label(one.cell), one.recall_at_10, one.p50_ms, one.memory_mb)
            for one in sorted(found.front, key=lambda one: -one.recall_at_10)
        ],
    )
    yield from frontiers.frontiers(found)


def _environment(campaign: Campaign) -> Iterator[Block]:
    facts = campaign.environment
    if not facts:
        return
    yield Heading(_("Machine and versions"))
    yield Facts(
        (
            (_("processor"), facts["processor"]),
            (_("cores"), facts["n_cores"]),
            (_("memory in MB"), facts["memory_mb"]),
            (_("system"), facts.get("system")),
            (_("load average at the start"), facts.get("load_average")),
            (_("revision of the portal"), facts.get("revision")),
            ("Postgres", facts.get("postgres")),
            ("Python", facts["python"]),
            *facts["versions"].items(),
        )
    )


def note(line: Line) -> str:
    """Return what is to be said against a cell, in words."""
    if line.state == CellResult.State.FAILED:
        return _("failed")
    if line.state == CellResult.State.WAITING:
        return _("not measured")
    return ", ".join(selectors.doubts(line))
