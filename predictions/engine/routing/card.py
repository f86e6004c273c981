"""The model card of a routing version, written from its evaluation (Mitchell et al., FAT* 2019)."""

from collections.abc import Mapping, Sequence
from typing import Any

N_FIELDS = 12


def routing_card(
    report: Mapping[str, Any], *, name: str, dataset: str = "", is_synthetic: bool = False
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
    """
    parts = [f"# {name}"]
    if is_synthetic:
        parts.append("**Trained on generated items.** Nothing here says anything about a plant.")
    parts += [*_purpose(report), *_data(report, dataset), *_figures(report), *_promises(report)]
    parts += [*_types(report), *_warnings(report), *_weights(report), *_recipe(report)]
    return "\n\n".join(parts) + "\n"


def _purpose(report: Mapping[str, Any]) -> list[str]:
    share = report["params"]["refused_share"]
    return [
        "## What it is for",
        "It proposes how a new item is made: operations in order, work centres, setup and run "
        "minutes with intervals, and the known items it follows. A planner decides. An item that "
        f"resembles known ones less than {1 - share:.0%} of these resemble one another is refused. "
        "It does not read drawings, and it knows no operation that no training item has.",
    ]


def _data(report: Mapping[str, Any], dataset: str) -> list[str]:
    source = f" of “{dataset}”" if dataset else ""
    protocol, learned = report["protocol"], report["training"]
    return [
        "## Data",
        f"{learned['n_items']:,} items{source} in {learned['n_groups']:,} groups of variants, with "
        f"{learned['n_routings']:,} different sequences of {learned['n_operations']:,} operations. "
        f"Judged on {report['n_items']:,} items of {report['n_groups']:,} designs that no version "
        f"is trained on; {protocol['n_set_aside']:,} variants of held-out items were set aside.",
    ]


def _figures(report: Mapping[str, Any]) -> list[str]:
    baselines = report["baselines"]
    head = ["Metric", "Better", "Model", "Not refused", *(one["label"] for one in baselines)]
    rows = []
    for metric in report["metric_table"]:
        key = metric["name"]
        better = {True: "higher", False: "lower", None: "as promised"}[metric["higher_is_better"]]
        cells = [_interval(report["metrics"][key]), _interval(report["accepted"][key])]
        cells += [_number(one["metrics"][key]["value"]) for one in baselines]
        rows.append([metric["label"], better, *cells])
    text = (
        f"{report['n_refused']:,} items were refused and count as wrong, but for the column “not "
        "refused”. Intervals: 95 %, bootstrap over groups of variants."
    )
    return ["## How good it is", text, _table(head, rows)]


def _promises(report: Mapping[str, Any]) -> list[str]:
    rows = [
        [name, f"{row['n']:,}", f"{row['promised']:.3f}", f"{row['exact']:.3f}"]
        for name, row in report["confidence_levels"].items()
    ]
    return ["## What its confidence is worth", _table(["Level", "Items", "Said", "Exact"], rows)]


def _types(report: Mapping[str, Any]) -> list[str]:
    slices = sorted(report["slices"].items(), key=lambda pair: pair[1]["exact"])
    rows = [[name or "none given", f"{r['n']:,}", f"{r['exact']:.3f}"] for name, r in slices]
    return ["## By item type, the weakest first", _table(["Type", "Items", "Exact"], rows)]


def _warnings(report: Mapping[str, Any]) -> list[str]:
    if not report["findings"]:
        return []
    return ["## Know before use", "\n".join(f"- {item['message']}" for item in report["findings"])]


def _weights(report: Mapping[str, Any]) -> list[str]:
    fields = list(report["training"]["weights"].items())[:N_FIELDS]
    rows = [[name, f"{weight:.1%}"] for name, weight in fields if weight > 0]
    return ["## What makes items alike", _table(["Field", "Weight"], rows)]


def _recipe(report: Mapping[str, Any]) -> list[str]:
    settings = ", ".join(f"{key} {value}" for key, value in report["params"].items())
    return [
        "## How it was made",
        "Weighted similarity learned by neighbourhood components analysis, a vote on whole "
        "routings, repair and order by boosted trees, times by quantile trees with conformal "
        f"margins; seed {report['seed']}. {settings}.",
    ]


def _interval(figure: Mapping[str, float | None]) -> str:
    value = _number(figure["value"])
    if figure["low"] is None or figure["high"] is None:
        return value
    return f"**{value}** ({figure['low']:.3f} to {figure['high']:.3f})"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
