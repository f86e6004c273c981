"""What a reader has to know before trusting a report: grouped, where many cells share it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Bullets, Heading, Note
from search.lab import selectors
from search.lab.engine.matrix import Cell
from search.lab.models import CellResult
from search.lab.selectors import Line
from search.lab.services.passes import differences
from search.lab.services.reports.findings import Findings

#: So many cells of which the same is said stand one by one; more are counted by engine. Ours.
MOST_ALONE = 6
#: Corpora that are named where not all cells of an engine are meant.
_MOST_CORPORA = 4


def warnings(found: Findings) -> Iterator[Block]:
    """Say what was not measured and what is to be said against what was."""
    waiting = sum(line.state == CellResult.State.WAITING for line in found.lines)
    if waiting:
        yield Note("warn", _("Cells that were not measured yet: %(count)d.") % {"count": waiting})
    items = [*_items(found), *_mixed(found.lines), *_left_out(found)]
    if items:
        yield Heading(_("What to know before you trust it"))
        yield Bullets(items)


def _items(found: Findings) -> Iterator[str]:
    said: dict[str, list[Cell]] = defaultdict(list)
    for line in found.lines:
        if line.state == CellResult.State.FAILED:
            said[f"{_('failed')}. {line.error}"].append(line.cell)
        elif line.error:
            said[line.error].append(line.cell)
        for doubt in selectors.doubts(line):
            said[doubt].append(line.cell)
        if found.exactness.get(line.cell.key, {}) is None and "damaged" not in line.flags:
            said[
                _("its stored samples are damaged: resume the campaign, and it is measured again")
            ].append(line.cell)
    for point in found.outliers:
        said[
            _("does not follow from the cells like it (engine, search and filter the same)")
        ].append(point.cell)
    everything = [line.cell for line in found.lines]
    for text, cells in said.items():
        if len(cells) <= MOST_ALONE:
            yield from (f"{selectors.label(cell)}: {text}" for cell in cells)
        else:
            yield _grouped(text, cells, everything)


def _left_out(found: Findings) -> Iterator[str]:
    """Say which cells no analysis counts, and why."""
    if not found.n_left_out:
        return
    reasons = (
        f"{selectors.doubt(name)} ({count})" for name, count in sorted(found.left_out.items())
    )
    words = {
        "count": found.n_left_out,
        "all": len(found.measured),
        "reasons": "; ".join(reasons),
    }
    yield (
        _(
            "%(count)d of %(all)d measured cells are shown but left out of every analysis "
            "(recommendation, front, effects, pairs, growth and predictions), since their latency "
            "is not that of the question asked: %(reasons)s."
        )
        % words
    )


def _grouped(text: str, cells: Sequence[Cell], everything: Sequence[Cell]) -> str:
    """Return what is said of many cells in one line: how many of each engine, and where."""
    counts, of = Counter(one.engine for one in cells), Counter(one.engine for one in everything)
    parts = []
    for engine, count in counts.items():
        words = {"engine": engine, "count": count, "of": of[engine]}
        part = _("%(engine)s %(count)d of %(of)d") % words
        if count < of[engine]:
            part += f" ({_corpora([one for one in cells if one.engine == engine])})"
        parts.append(part)
    words = {"count": len(cells), "what": text, "engines": "; ".join(parts)}
    return _("%(count)d cells: %(what)s. %(engines)s.") % words


def _corpora(cells: Sequence[Cell]) -> str:
    names = list(dict.fromkeys(f"{one.scale:,} x {one.dimension}" for one in cells))
    more = len(names) - _MOST_CORPORA
    shown = ", ".join(names[:_MOST_CORPORA])
    return _("%(names)s and %(n)d more") % {"names": shown, "n": more} if more > 0 else shown


def _mixed(lines: Sequence[Line]) -> Iterator[str]:
    """Say when cells of one campaign rest on different versions, or on different corpora."""
    known = [(line.cell, line.facts) for line in lines if line.facts and "versions" in line.facts]
    if not known:
        return
    last = max(known, key=lambda one: _measured_at(one[1]))[1]
    kinds: Counter[str] = Counter()
    for _cell, facts in known:
        kinds[", ".join(differences(_versions(facts), _versions(last)))] += 1
    for what, count in kinds.items():
        if what:
            words = {"count": count, "what": what}
            yield _("%(count)d cells were measured with other versions: %(what)s.") % words
    corpora: dict[tuple[int, int], set[str]] = defaultdict(set)
    for cell, facts in known:
        corpora[cell.scale, cell.dimension].add(facts["corpus"])
    for (scale, dimension), digests in corpora.items():
        if len(digests) > 1:
            name = f"{scale:,} x {dimension}"
            yield _("The cells of %(name)s were measured on different corpora.") % {"name": name}


def _versions(facts: Mapping[str, object]) -> dict[str, object]:
    return {"versions": facts["versions"]}


def _measured_at(facts: Mapping[str, object]) -> str:
    passes = facts.get("passes")
    return str(passes[-1]["measured_at"]) if isinstance(passes, list) and passes else ""
