"""The model card of a version, written from its evaluation report (Mitchell et al., FAT* 2019)."""

from collections.abc import Mapping, Sequence
from typing import Any

from predictions.engine.calibrators import Platt
from predictions.engine.learners.families import DEFAULT_LEARNER, FAMILIES

N_IMPORTANT = 10


def model_card(
    report: Mapping[str, Any],
    *,
    name: str,
    signature: Mapping[str, Any] | None = None,
    dataset: str = "",
    is_synthetic: bool = False,
) -> str:
    """Return a model card as Markdown.

    Parameters
    ----------
    report : mapping
        `EvaluationReport.to_dict`.
    name : str
        Of the model.
    signature : mapping, optional
        `Signature.to_dict`; adds the table of inputs.
    dataset : str
        Name of the data set, if known.
    is_synthetic : bool
        Whether the shots were generated; said first.
    """
    parts = [f"# {name}", *_synthetic(is_synthetic), *_purpose(report), *_data(report, dataset)]
    parts += [*_figures(report), *_comparisons(report), *_calls(report), *_slices(report)]
    parts += [*_checks(report), *_warnings(report), *_importance(report), *_recipe(report)]
    if signature is not None:
        parts += _inputs(signature)
    return "\n\n".join(parts) + "\n"


def _synthetic(is_synthetic: bool) -> list[str]:
    if not is_synthetic:
        return []
    return ["**Trained on generated shots.** Nothing here says anything about a real machine."]


def _purpose(report: Mapping[str, Any]) -> list[str]:
    return [
        "## What it is for",
        "It estimates how likely the shot just made is defective, from 16 process and 14 sensor "
        "values of a cold-chamber die-casting machine. A shot with a probability of at least "
        f"{report['threshold']:.3f} is called a defect. It does not say which defect, and it does "
        "not replace inspection.",
    ]


def _data(report: Mapping[str, Any], dataset: str) -> list[str]:
    source = f" of “{dataset}”" if dataset else ""
    return [
        "## Data",
        f"{report['n_rows']:,} rows{source}, {report['n_distinct']:,} distinct shots in "
        f"{report['n_groups']:,} groups of equal values; {report['defect_share']:.1%} defective.",
    ]


def _figures(report: Mapping[str, Any]) -> list[str]:
    protocol = report["protocol"]
    text = (
        f"{protocol['label']}, {protocol['n_folds']} folds, {protocol['n_tested']:,} shots judged "
        f"by models that had not seen them. {protocol['description']} "
        "Intervals: 95 %, bootstrap over groups."
    )
    return ["## How good it is", text, _metric_table(report, report)]


def _metric_table(report: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    baselines = result["baselines"]
    head = ["Metric", "Better", "Model", *(item["label"] for item in baselines)]
    rows = []
    for metric in report["metric_table"]:
        key = metric["name"]
        unit = "" if metric["unit"] == "1" else f" ({metric['unit']})"
        figures = [_interval(result["metrics"][key])]
        figures += [_number(item["metrics"][key]["value"]) for item in baselines]
        better = "higher" if metric["higher_is_better"] else "lower"
        rows.append([metric["label"] + unit, better, *figures])
    return _table(head, rows)


def _comparisons(report: Mapping[str, Any]) -> list[str]:
    parts = []
    for result in report["comparisons"]:
        warning = " **Leaks: for comparison only.**" if result["leaks"] else ""
        parts += [f"### {result['label']}", result["description"] + warning]
        parts.append(_metric_table(report, result))
    return ["## The same model judged otherwise", *parts] if parts else []


def _calls(report: Mapping[str, Any]) -> list[str]:
    counts = report["confusion"]
    rows = [
        ["Defect", f"{counts['true_defect']:,}", f"{counts['missed_defect']:,}"],
        ["Good", f"{counts['false_defect']:,}", f"{counts['true_ok']:,}"],
    ]
    points = [
        [f"{point['predicted']:.3f}", f"{point['observed']:.3f}", f"{point['n']:,}"]
        for point in report["calibration_curve"]
    ]
    return [
        "## Calls and probabilities",
        _table(["Shot was", "Called a defect", "Called good"], rows),
        _table(["Probability said", "Share observed", "Shots"], points),
    ]


def _slices(report: Mapping[str, Any]) -> list[str]:
    if not report["slices"]:
        return []
    rows = [
        [
            f"{part['column']} {part['value']}",
            f"{part['n_rows']:,}",
            f"{part['defect_share']:.1%}",
            *(_number(part["metrics"][name]) for name in ("f1", "roc_auc", "pr_auc")),
        ]
        for part in report["slices"]
    ]
    parts = ["## Parts of production"]
    parts.append(_table(["Part", "Shots", "Defective", "F1", "ROC AUC", "PR AUC"], rows))
    worst = report["worst_slice"]
    if worst:
        auc = _interval((worst.get("intervals") or {}).get("roc_auc") or _bare(worst, "roc_auc"))
        parts.append(
            f"Weakest: {worst['column']} {worst['value']}, ROC AUC {auc}, {worst['n_rows']:,} "
            "shots."
        )
    return parts


def _checks(report: Mapping[str, Any]) -> list[str]:
    outcomes = report["checks"].get("outcomes")
    if not outcomes:
        return []
    words = {True: "clear", False: "found", None: "could not be checked"}
    rows = [
        [
            outcome["label"] + (f": {outcome['field']}" if outcome["field"] else ""),
            words[outcome["is_clear"]],
            "" if outcome["value"] is None else f"{outcome['value']:.4g}",
            f"{outcome['limit']:g}",
        ]
        for outcome in outcomes
    ]
    head = ["Looked for", "Outcome", "Value", "Reported from"]
    return ["## Checks before training", _table(head, rows)]


def _bare(part: Mapping[str, Any], metric: str) -> dict[str, float | None]:
    """Return a figure of a report that kept no interval."""
    return {"value": part["metrics"][metric], "low": None, "high": None}


def _warnings(report: Mapping[str, Any]) -> list[str]:
    if not report["findings"]:
        return []
    return ["## Know before use", "\n".join(f"- {item['message']}" for item in report["findings"])]


def _importance(report: Mapping[str, Any]) -> list[str]:
    top = list(report["importance"].items())[:N_IMPORTANT]
    rows = [[feature, f"{share:.1%}"] for feature, share in top]
    return ["## What it looks at", _table(["Feature", "Impurity removed"], rows)]


def _recipe(report: Mapping[str, Any]) -> list[str]:
    params = report["params"]
    settings = ", ".join(f"{key} {value}" for key, value in params.items())
    learner = FAMILIES[params.get("learner", DEFAULT_LEARNER)].label
    latent = params.get("n_latent", 0)
    calibration = params.get("calibration", Platt.method).capitalize()
    beside = f" on the features and {latent} latent ones of an autoencoder" if latent else ""
    return [
        "## How it was made",
        f"{learner}{beside}, with {calibration} calibration, seed {report['seed']}. Calibration "
        "and threshold were chosen on shots the scoring model had not seen; missing values are "
        f"filled with training medians. {settings}.",
    ]


def _inputs(signature: Mapping[str, Any]) -> list[str]:
    rows = [
        [item["name"], item["group"], item["unit"], _accepted(item), _yes(item["nullable"])]
        for item in signature["features"]
    ]
    return ["## Inputs", _table(["Feature", "Group", "Unit", "Accepted", "May be null"], rows)]


def _accepted(item: Mapping[str, Any]) -> str:
    if item["allowed"] is not None:
        return ", ".join(f"{value:g}" for value in item["allowed"])
    return f"{item['low']:g} to {item['high']:g}"


def _yes(claim: object) -> str:
    return "yes" if claim else "no"


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
