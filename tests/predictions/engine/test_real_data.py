"""The public file of the family, where it is at hand."""

from predictions.engine.checks import check
from predictions.engine.profile import profile
from predictions.engine.rows import first_of_copies, group_numbers
from predictions.engine.signature import learned_signature
from predictions.engine.splits import PROTOCOLS
from predictions.engine.tables import ShotTable
from predictions.engine.training import train
from predictions.engine.validate import validate_matrix
from tests.predictions.engine.conftest import SMALL


def test_real_file_is_read_and_its_copies_are_found(real_shots: ShotTable) -> None:
    labels = real_shots.labels()
    assert labels is not None
    found = profile(real_shots)

    assert (real_shots.n_rows, real_shots.source.header_rows) == (7_535, 2)
    assert round(float(labels.mean()), 4) == 0.2242
    assert found.checks.n_copies == found.checks.n_copies_of_previous == 2_918
    assert len(found.checks.constant) == 8
    assert set(found.checks.missing.values()) == {90}


def test_real_shots_pass_their_own_signature(real_shots: ShotTable) -> None:
    matrix = real_shots.matrix()

    assert validate_matrix(matrix, learned_signature(matrix)).is_valid


def test_groups_of_real_shots_are_never_torn(real_shots: ShotTable) -> None:
    matrix, labels = real_shots.matrix(), real_shots.labels()
    assert labels is not None
    kept = first_of_copies(matrix, labels)
    groups = group_numbers(matrix[kept])

    for fold in PROTOCOLS["grouped"].split(labels[kept], groups, 5, 1):
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_honest_figures_of_real_shots_are_modest(real_shots: ShotTable) -> None:
    report = train(real_shots, SMALL, seed=42).report

    figures = {name: item.value or 0 for name, item in report.result.metrics.items()}
    assert 0.45 < figures["f1"] < 0.55  # above .55 is a leak until disproved
    assert 0.70 < figures["roc_auc"] < 0.78
    random = next(result for result in report.comparisons if result.name == "random")
    lookup = next(item for item in random.baselines if item.name == "lookup")
    assert (lookup.metrics["f1"].value or 0) > 0.6


def test_findings_of_real_shots_name_what_is_wrong_with_them(real_shots: ShotTable) -> None:
    found = check(real_shots.matrix(), real_shots.labels())

    assert {finding.code for finding in found.findings} >= {
        "copied_rows",
        "repeated_inputs",
        "constant_columns",
        "missing_values",
        "far_outliers",
        "share_drifts",
    }
