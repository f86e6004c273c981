"""Synthetic shots."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from predictions.engine.checks import check
from predictions.engine.features import DEFECT_FLAGS, FEATURE_NAMES
from predictions.engine.generator import GeneratedShots, generate
from predictions.engine.rows import row_keys
from predictions.engine.tables import ShotTable, read_table


def test_same_arguments_give_the_same_file() -> None:
    assert generate(300, 4).to_csv() == generate(300, 4).to_csv()


def test_other_seed_gives_other_shots() -> None:
    first, second = (generate(300, seed).table().matrix() for seed in (1, 2))

    assert not np.isin(row_keys(first), row_keys(second)).any()


def test_file_has_the_layout_of_the_family(generated: GeneratedShots) -> None:
    groups, names, *_ = csv.reader(io.StringIO(generated.to_csv().decode()))

    assert {name: groups.count(name) for name in ("Process", "Sensor", "Defects")} == {
        "Process": 17,
        "Sensor": 14,
        "Defects": 26,
    }
    assert names[:4] == ["id", "Product_Type", "Shot", "Velocity_1"]
    assert " Pressure_Rise_Time" in names


def test_everything_says_that_it_is_synthetic(generated: GeneratedShots, shots: ShotTable) -> None:
    assert generated.file_name == "synthetic_diecasting_2500_seed11.csv"
    assert set(shots.metadata("Source") or []) == {"synthetic"}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_defect_share_is_about_as_asked(share: float) -> None:
    labels = generate(4_000, 3, defect_share=share).table().labels()

    assert labels is not None
    assert labels.mean() == pytest.approx(share, abs=0.03)


def test_copies_follow_their_shot_and_missing_values_are_the_climate(shots: ShotTable) -> None:
    found = check(shots.matrix(), shots.labels(), shots.metadata("Made_At"))

    assert found.n_copies == found.n_copies_of_previous == 50
    assert set(found.missing) == {name for name in FEATURE_NAMES if name.startswith("Factory_")}
    assert set(found.missing.values()) == {25}
    assert "time_disorder" not in {finding.code for finding in found.findings}


def test_no_single_column_gives_the_defect_away(shots: ShotTable) -> None:
    found = check(shots.matrix(), shots.labels())

    assert max(found.single_auc.values()) < 0.8


def test_several_kinds_of_defect_occur_in_both_cavities(shots: ShotTable) -> None:
    counts = {name: sum(shots.data[name].to_pylist()) for name in DEFECT_FLAGS}

    for kind in ("Short_Shot", "Blow_Hole", "Stain", "Exfoliation"):
        assert counts[f"{kind}_1"] > 0
        assert counts[f"{kind}_2"] > 0


def test_slow_filling_makes_more_short_shots(shots: ShotTable) -> None:
    speed = shots.data["High_Velocity"].to_numpy()
    short = shots.data["Short_Shot_1"].to_numpy() > 0

    slow = speed < np.median(speed)
    assert short[slow].mean() > 1.5 * short[~slow].mean()


def test_file_can_be_written_and_imported(tmp_path: Path) -> None:
    generated = generate(50, 1)
    path = tmp_path / generated.file_name

    generated.write_csv(path)

    assert read_table(path, require_label=True).n_rows == 50


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_shots": 0},
        {"n_shots": 10_000_000},
        {"defect_share": 0.0},
        {"copied_share": 0.9},
        {"missing_share": -0.1},
    ],
)
def test_argument_out_of_bounds_is_refused(arguments: dict[str, float]) -> None:
    name = next(iter(arguments))

    with pytest.raises(ValueError, match=name):
        generate(**{"n_shots": 100, "seed": 1, **arguments})  # type: ignore[arg-type]  # mixed kinds


def test_single_shot_can_be_made() -> None:
    assert generate(1, 1).table().n_rows == 1
