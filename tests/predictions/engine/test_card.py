"""Model cards."""

import string

from django.utils import translation

from predictions.engine.card import model_card
from predictions.engine.training import TrainedModel
from predictions.services.quality import words


def test_card_says_how_good_it_is_and_how_that_was_found_out(trained: TrainedModel) -> None:
    report = trained.report.to_dict()

    card = model_card(
        report,
        name="diecasting-quality",
        signature=trained.signature.to_dict(),
        dataset="January",
        is_synthetic=True,
    )

    assert card.startswith("# diecasting-quality\n\n**Trained on generated shots.**")
    assert f"**{report['metrics']['pr_auc']['value']:.3f}**" in card
    assert "Grouped by identical rows, 3 folds" in card
    assert "Recent defect rate" in card
    assert "**Leaks: for comparison only.**" in card
    assert "“January”" in card
    assert all(finding["message"] in card for finding in report["findings"])
    assert card.count("| process |") == 16
    assert "Weakest: " in card
    assert "| Exact copies | found |" in card
    assert "Gradient boosting, with Platt calibration" in card


def test_card_of_a_bare_report_has_no_empty_sections(trained: TrainedModel) -> None:
    report = trained.report.to_dict() | {"comparisons": [], "slices": [], "findings": []}

    card = model_card(report, name="x")

    assert "generated" not in card
    assert "## Inputs" not in card
    assert "## Know before use" not in card
    assert "\n\n\n" not in card


def test_card_is_written_in_korean_as_well(trained: TrainedModel) -> None:
    report = trained.report.to_dict()
    with translation.override("ko"):
        card = model_card(report, name="x", signature=trained.signature.to_dict(), words=words())
    assert "## 용도" in card
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert not [line for line in headings if set(line) & set(string.ascii_lowercase)]
    assert f"{report['metrics']['pr_auc']['value']:.3f}" in card
    assert "{" not in card
