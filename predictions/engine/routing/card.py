"""The model card of a routing version, written from its evaluation (Mitchell et al., FAT* 2019)."""

from collections.abc import Mapping
from typing import Any

from portal.lib.coded import gettext_noop
from predictions.engine.card import ENGLISH, Words, heading, interval, number, table, warnings

N_FIELDS = 12
#: Levels of confidence as evaluations name them.
LEVELS = {
    "high": gettext_noop("high"),
    "medium": gettext_noop("medium"),
    "low": gettext_noop("low"),
}


def routing_card(
    report: Mapping[str, Any],
    *,
    name: str,
    dataset: str = "",
    is_synthetic: bool = False,
    words: Words = ENGLISH,
) -> str:
    """Return a model card as Markdown.

    Parameters
    ----------
    report : mapping
        The evaluation as the version keeps it.
    name : str
        Of the model.
    dataset : str
        Name of the data set, if known.
    is_synthetic : bool
        Whether the items were generated; said first.
    words : Words
        Of the language it is written in.
    """
    parts = [f"# {name}"]
    if is_synthetic:
        said = words(gettext_noop("Nothing here says anything about a plant."))
        parts.append(f"**{words(gettext_noop('Trained on generated items.'))}** {said}")
    parts += [*_purpose(words, report), *_data(words, report, dataset), *_figures(words, report)]
    parts += [*_promises(words, report), *_types(words, report), *warnings(words, report)]
    parts += [*_weights(words, report), *_recipe(words, report)]
    return "\n\n".join(parts) + "\n"


def _purpose(words: Words, report: Mapping[str, Any]) -> list[str]:
    text = gettext_noop(
        "It proposes how a new item is made: operations in order, work centres, setup and run "
        "minutes with intervals, and the known items it follows. A planner decides. An item that "
        "resembles known ones less than {share} of these resemble one another is refused. It does "
        "not read drawings, and it knows no operation that no training item has."
    )
    share = f"{1 - report['params']['refused_share']:.0%}"
    return [heading(words, gettext_noop("What it is for")), words(text, share=share)]


def _data(words: Words, report: Mapping[str, Any], dataset: str) -> list[str]:
    protocol, learned = report["protocol"], report["training"]
    counts = {
        "items": learned["n_items"],
        "groups": learned["n_groups"],
        "routings": learned["n_routings"],
        "operations": learned["n_operations"],
        "judged": report["n_items"],
        "designs": report["n_groups"],
        "aside": protocol["n_set_aside"],
    }
    text = gettext_noop(
        "{items} items in {groups} groups of variants, with {routings} different sequences of "
        "{operations} operations. Judged on {judged} items of {designs} designs that no version is "
        "trained on; {aside} variants of held-out items were set aside."
    )
    said = words(text, **{name: f"{count:,}" for name, count in counts.items()})
    source = [words(gettext_noop("The data set is “{name}”."), name=dataset)] if dataset else []
    return [heading(words, gettext_noop("Data")), " ".join([said, *source])]


def _figures(words: Words, report: Mapping[str, Any]) -> list[str]:
    baselines = report["baselines"]
    head = words.heads(
        gettext_noop("Metric"),
        gettext_noop("Better"),
        gettext_noop("Model"),
        gettext_noop("Not refused"),
    ) + [words(one["label"]) for one in baselines]
    better = {
        True: gettext_noop("higher"),
        False: gettext_noop("lower"),
        None: gettext_noop("as promised"),
    }
    rows = []
    for metric in report["metric_table"]:
        key = metric["name"]
        cells = [interval(words, report[part][key]) for part in ("metrics", "accepted")]
        cells += [number(words, one["metrics"][key]["value"]) for one in baselines]
        rows.append([words(metric["label"]), words(better[metric["higher_is_better"]]), *cells])
    text = gettext_noop(
        "{n} items were refused and count as wrong, but for the column “Not refused”. Intervals: "
        "95 %, bootstrap over groups of variants."
    )
    said = words(text, n=f"{report['n_refused']:,}")
    return [heading(words, gettext_noop("How good it is")), said, table(head, rows)]


def _promises(words: Words, report: Mapping[str, Any]) -> list[str]:
    rows = [
        [words(LEVELS.get(name, name)), f"{row['n']:,}"]
        + [f"{row[key]:.3f}" for key in ("promised", "exact")]
        for name, row in report["confidence_levels"].items()
    ]
    head = words.heads(
        gettext_noop("Level"), gettext_noop("Items"), gettext_noop("Said"), gettext_noop("Exact")
    )
    return [heading(words, gettext_noop("What its confidence is worth")), table(head, rows)]


def _types(words: Words, report: Mapping[str, Any]) -> list[str]:
    slices = sorted(report["slices"].items(), key=lambda pair: pair[1]["exact"])
    unnamed = words(gettext_noop("none given"))
    rows = [[name or unnamed, f"{r['n']:,}", f"{r['exact']:.3f}"] for name, r in slices]
    head = words.heads(gettext_noop("Type"), gettext_noop("Items"), gettext_noop("Exact"))
    return [heading(words, gettext_noop("By item type, the weakest first")), table(head, rows)]


def _weights(words: Words, report: Mapping[str, Any]) -> list[str]:
    fields = list(report["training"]["weights"].items())[:N_FIELDS]
    rows = [[name, f"{weight:.1%}"] for name, weight in fields if weight > 0]
    head = words.heads(gettext_noop("Field"), gettext_noop("Weight"))
    return [heading(words, gettext_noop("What makes items alike")), table(head, rows)]


def _recipe(words: Words, report: Mapping[str, Any]) -> list[str]:
    text = gettext_noop(
        "Weighted similarity learned by neighbourhood components analysis, a vote on whole "
        "routings, repair and order by boosted trees, times by quantile trees with conformal "
        "margins; seed {seed}."
    )
    settings = ", ".join(f"{key} {value}" for key, value in report["params"].items())
    said = f"{words(text, seed=report['seed'])} {settings}."
    return [heading(words, gettext_noop("How it was made")), said]
