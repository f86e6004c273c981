"""The model card of a version, written from its evaluation report (Mitchell et al., FAT* 2019).

The words are English here; whoever wants them in another language gives the function that turns a
sentence into it, and one for the findings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.lib.coded import gettext_noop
from predictions.engine.calibrators import Platt
from predictions.engine.learners.families import DEFAULT_LEARNER, FAMILIES

N_IMPORTANT = 10


def english(finding: Mapping[str, Any]) -> str:
    """Return a finding as it was stored."""
    return str(finding["message"])


@dataclass(frozen=True)
class Words:
    """How a card is worded: by default in English.

    Attributes
    ----------
    say
        Turns an English sentence, with its placeholders, into that of the reader.
    find
        Does the same for a stored finding.
    """

    say: Callable[[str], str] = str
    find: Callable[[Mapping[str, Any]], str] = english

    def __call__(self, template: str, **values: object) -> str:
        said = self.say(template)
        return said.format(**values) if values else said

    def heads(self, *names: str) -> list[str]:
        """Return the headings of a table."""
        return [self(name) for name in names]


ENGLISH = Words()
#: The groups of features as signatures name them.
GROUPS = {"process": gettext_noop("process"), "sensor": gettext_noop("sensor")}


def model_card(
    report: Mapping[str, Any],
    *,
    name: str,
    signature: Mapping[str, Any] | None = None,
    dataset: str = "",
    is_synthetic: bool = False,
    words: Words = ENGLISH,
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
    words : Words
        Of the language it is written in.
    """
    parts = [f"# {name}"]
    if is_synthetic:
        said = words(gettext_noop("Nothing here says anything about a real machine."))
        parts.append(f"**{words(gettext_noop('Trained on generated shots.'))}** {said}")
    parts += [*_purpose(words, report), *_data(words, report, dataset), *_figures(words, report)]
    parts += [*_comparisons(words, report), *_calls(words, report), *_slices(words, report)]
    parts += [*_checks(words, report), *warnings(words, report), *_importance(words, report)]
    parts += _recipe(words, report)
    if signature is not None:
        parts += _inputs(words, signature)
    return "\n\n".join(parts) + "\n"


def _purpose(words: Words, report: Mapping[str, Any]) -> list[str]:
    text = gettext_noop(
        "It estimates how likely the shot just made is defective, from 16 process and 14 sensor "
        "values of a cold-chamber die-casting machine. A shot with a probability of at least "
        "{threshold} is called a defect. It does not say which defect, and it does not replace "
        "inspection."
    )
    return [
        heading(words, gettext_noop("What it is for")),
        words(text, threshold=f"{report['threshold']:.3f}"),
    ]


def _data(words: Words, report: Mapping[str, Any], dataset: str) -> list[str]:
    counts = {
        "rows": f"{report['n_rows']:,}",
        "distinct": f"{report['n_distinct']:,}",
        "groups": f"{report['n_groups']:,}",
        "share": f"{report['defect_share']:.1%}",
    }
    text = gettext_noop(
        "{rows} rows, {distinct} distinct shots in {groups} groups of equal values; {share} "
        "defective."
    )
    source = [words(gettext_noop("The data set is “{name}”."), name=dataset)] if dataset else []
    return [heading(words, gettext_noop("Data")), " ".join([words(text, **counts), *source])]


def _figures(words: Words, report: Mapping[str, Any]) -> list[str]:
    protocol = report["protocol"]
    text = words(
        gettext_noop(
            "{protocol}, {folds} folds, {shots} shots judged by models that had not seen them."
        ),
        protocol=words(protocol["label"]),
        folds=protocol["n_folds"],
        shots=f"{protocol['n_tested']:,}",
    )
    described = words(protocol["description"]) if protocol["description"] else ""
    intervals = words(gettext_noop("Intervals: 95 %, bootstrap over groups."))
    return [
        heading(words, gettext_noop("How good it is")),
        " ".join(filter(None, (text, described, intervals))),
        _metric_table(words, report, report),
    ]


def _metric_table(words: Words, report: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    baselines = result["baselines"]
    head = words.heads(gettext_noop("Metric"), gettext_noop("Better"), gettext_noop("Model")) + [
        words(item["label"]) for item in baselines
    ]
    rows = []
    for metric in report["metric_table"]:
        key = metric["name"]
        unit = "" if metric["unit"] == "1" else f" ({metric['unit']})"
        figures = [interval(words, result["metrics"][key])]
        figures += [number(words, item["metrics"][key]["value"]) for item in baselines]
        better = gettext_noop("higher") if metric["higher_is_better"] else gettext_noop("lower")
        rows.append([words(metric["label"]) + unit, words(better), *figures])
    return table(head, rows)


def _comparisons(words: Words, report: Mapping[str, Any]) -> list[str]:
    parts = []
    for result in report["comparisons"]:
        leaks = words(gettext_noop("Leaks: for comparison only."))
        warning = f" **{leaks}**" if result["leaks"] else ""
        parts += [f"### {words(result['label'])}", words(result["description"]) + warning]
        parts.append(_metric_table(words, report, result))
    title = heading(words, gettext_noop("The same model judged otherwise"))
    return [title, *parts] if parts else []


def _calls(words: Words, report: Mapping[str, Any]) -> list[str]:
    counts = report["confusion"]
    rows = [
        [
            words(gettext_noop("Defect")),
            f"{counts['true_defect']:,}",
            f"{counts['missed_defect']:,}",
        ],
        [words(gettext_noop("Good")), f"{counts['false_defect']:,}", f"{counts['true_ok']:,}"],
    ]
    points = [
        [f"{point['predicted']:.3f}", f"{point['observed']:.3f}", f"{point['n']:,}"]
        for point in report["calibration_curve"]
    ]
    called = words.heads(
        gettext_noop("Shot was"), gettext_noop("Called a defect"), gettext_noop("Called good")
    )
    said = words.heads(
        gettext_noop("Probability said"), gettext_noop("Share observed"), gettext_noop("Shots")
    )
    return [
        heading(words, gettext_noop("Calls and probabilities")),
        table(called, rows),
        table(said, points),
    ]


def _slices(words: Words, report: Mapping[str, Any]) -> list[str]:
    if not report["slices"]:
        return []
    rows = [
        [
            f"{part['column']} {part['value']}",
            f"{part['n_rows']:,}",
            f"{part['defect_share']:.1%}",
            *(number(words, part["metrics"][name]) for name in ("f1", "roc_auc", "pr_auc")),
        ]
        for part in report["slices"]
    ]
    named = words.heads(gettext_noop("Part"), gettext_noop("Shots"), gettext_noop("Defective"))
    parts = [heading(words, gettext_noop("Parts of production"))]
    parts.append(table([*named, "F1", "ROC AUC", "PR AUC"], rows))
    worst = report["worst_slice"]
    if worst:
        auc = (worst.get("intervals") or {}).get("roc_auc") or _bare(worst, "roc_auc")
        text = gettext_noop("Weakest: {part}, ROC AUC {auc}, {shots} shots.")
        part = f"{worst['column']} {worst['value']}"
        shots = f"{worst['n_rows']:,}"
        parts.append(words(text, part=part, auc=interval(words, auc), shots=shots))
    return parts


def _checks(words: Words, report: Mapping[str, Any]) -> list[str]:
    outcomes = report["checks"].get("outcomes")
    if not outcomes:
        return []
    said = {
        True: gettext_noop("clear"),
        False: gettext_noop("found"),
        None: gettext_noop("could not be checked"),
    }
    rows = [
        [
            words(outcome["label"]) + (f": {outcome['field']}" if outcome["field"] else ""),
            words(said[outcome["is_clear"]]),
            "" if outcome["value"] is None else f"{outcome['value']:.4g}",
            f"{outcome['limit']:g}",
        ]
        for outcome in outcomes
    ]
    head = words.heads(
        gettext_noop("Looked for"),
        gettext_noop("Outcome"),
        gettext_noop("Value"),
        gettext_noop("Reported from"),
    )
    return [heading(words, gettext_noop("Checks before training")), table(head, rows)]


def _bare(part: Mapping[str, Any], metric: str) -> dict[str, float | None]:
    """Return a figure of a report that kept no interval."""
    return {"value": part["metrics"][metric], "low": None, "high": None}


def warnings(words: Words, report: Mapping[str, Any]) -> list[str]:
    """Return what to know before the model is used."""
    if not report["findings"]:
        return []
    listed = "\n".join(f"- {words.find(item)}" for item in report["findings"])
    return [heading(words, gettext_noop("Know before use")), listed]


def _importance(words: Words, report: Mapping[str, Any]) -> list[str]:
    top = list(report["importance"].items())[:N_IMPORTANT]
    rows = [[feature, f"{share:.1%}"] for feature, share in top]
    head = words.heads(gettext_noop("Feature"), gettext_noop("Impurity removed"))
    return [heading(words, gettext_noop("What it looks at")), table(head, rows)]


def _recipe(words: Words, report: Mapping[str, Any]) -> list[str]:
    params = report["params"]
    learner = words(FAMILIES[params.get("learner", DEFAULT_LEARNER)].label)
    calibration = params.get("calibration", Platt.method).capitalize()
    made = words(
        gettext_noop("{learner}, with {calibration} calibration, seed {seed}."),
        learner=learner,
        calibration=calibration,
        seed=report["seed"],
    )
    latent = params.get("n_latent", 0)
    beside = gettext_noop("It uses the features and {n} latent ones of an autoencoder.")
    chosen = gettext_noop(
        "Calibration and threshold were chosen on shots the scoring model had not seen; missing "
        "values are filled with training medians."
    )
    settings = ", ".join(f"{key} {value}" for key, value in params.items())
    sentences = [made, *([words(beside, n=latent)] if latent else []), words(chosen)]
    return [
        heading(words, gettext_noop("How it was made")),
        " ".join([*sentences, f"{settings}."]),
    ]


def _inputs(words: Words, signature: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            item["name"],
            words(GROUPS.get(item["group"], item["group"])),
            item["unit"],
            _accepted(words, item),
            words(gettext_noop("yes") if item["nullable"] else gettext_noop("no")),
        ]
        for item in signature["features"]
    ]
    head = words.heads(
        gettext_noop("Feature"),
        gettext_noop("Group"),
        gettext_noop("Unit"),
        gettext_noop("Accepted"),
        gettext_noop("May be null"),
    )
    return [heading(words, gettext_noop("Inputs")), table(head, rows)]


def _accepted(words: Words, item: Mapping[str, Any]) -> str:
    if item["allowed"] is not None:
        return ", ".join(f"{value:g}" for value in item["allowed"])
    low, high = f"{item['low']:g}", f"{item['high']:g}"
    return words(gettext_noop("{low} to {high}"), low=low, high=high)


def heading(words: Words, text: str) -> str:
    """Return a heading of the second level."""
    return f"## {words(text)}"


def interval(words: Words, figure: Mapping[str, float | None]) -> str:
    """Return a figure with its interval, where it has one."""
    value = number(words, figure["value"])
    if figure["low"] is None or figure["high"] is None:
        return value
    low, high = f"{figure['low']:.3f}", f"{figure['high']:.3f}"
    return f"**{value}** ({words(gettext_noop('{low} to {high}'), low=low, high=high)})"


def number(words: Words, value: float | None) -> str:
    """Return a figure with three decimals."""
    return words(gettext_noop("not defined")) if value is None else f"{value:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
