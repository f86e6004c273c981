"""Items as vectors."""

import numpy as np
import pytest

from predictions.engine.routing.encoding import (
    CLIP,
    MISSING,
    NO_INTERVAL,
    NUMBER_FIELDS,
    UNSEEN,
    NumberScale,
    raw_numbers,
)
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.ngrams import ngrams
from predictions.engine.routing.schema import CATEGORIES
from predictions.engine.routing.specification import sizes
from predictions.engine.routing.validate import item_columns


def test_ngrams_fold_case_and_width_and_mark_word_ends() -> None:
    assert list(ngrams("\uff30in")) == list(ngrams("pin"))
    assert list(ngrams("축")) == [" 축", "축 ", " 축 "]
    assert " 축 " in set(ngrams("구동 축"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Φ25/12x80L", {"outer_diameter_mm": 25, "inner_diameter_mm": 12, "length_mm": 80}),
        ("Ø16\u00d764", {"outer_diameter_mm": 16, "length_mm": 64}),
        ("120x80x6t IT9", {"length_mm": 120, "width_mm": 80, "thickness_mm": 6}),
        (
            "D60x20L M2.5 Z24 HRC58",
            {
                "outer_diameter_mm": 60,
                "length_mm": 20,
                "gear_module_mm": 2.5,
                "tooth_count": 24,
                "hardness_hrc": 58,
            },
        ),
        ("아연도금", {}),
    ],
)
def test_sizes_are_read_from_the_usual_spellings(text: str, found: dict[str, float]) -> None:
    assert sizes(text) == found


def test_a_specification_fills_gaps_and_overrules_nothing() -> None:
    columns = item_columns({"specification": "Φ25x80L", "length_mm": 81.0})

    raw = dict(zip(NUMBER_FIELDS, raw_numbers(columns)[0].tolist(), strict=True))

    assert raw["outer_diameter_mm"] == 25
    assert raw["length_mm"] == 81
    assert raw["slenderness"] == pytest.approx(81 / 25)
    assert np.isnan(raw["wall_mm"])


def test_a_scale_is_robust_logarithmic_and_cut() -> None:
    scale = NumberScale(is_log=True, median=float(np.log1p(99)), spread=1.0)

    scaled = scale.apply(np.array([99, np.nan, 1e30, 99 * np.e + np.e - 1], dtype=np.float32))

    assert scaled[0] == pytest.approx(0, abs=1e-6)
    assert np.isnan(scaled[1])
    assert scaled[2] == CLIP
    assert scaled[3] == pytest.approx(1, abs=1e-6)


def test_missing_and_unseen_values_are_told_apart(model: RoutingModel) -> None:
    encoded = model.decider.encoder.encode(item_columns({"material": "UNOBTAINIUM"}))

    codes = dict(zip(CATEGORIES, encoded.codes[0].tolist(), strict=True))

    assert codes["material"] == UNSEEN
    assert codes["item_type"] == MISSING
    assert (encoded.intervals == NO_INTERVAL).all()
    assert not encoded.texts[0].any()


def test_texts_become_unit_vectors_in_which_spelling_matters_little(model: RoutingModel) -> None:
    space = model.decider.encoder.spaces[0]

    vectors = space.apply(np.array(["평행핀 PIN", "평행핀PIN", "커버"], dtype=object))

    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_the_design_puts_codes_first_and_hides_unknown_ones(model: RoutingModel) -> None:
    encoder = model.decider.encoder
    encoded = encoder.encode(item_columns({"item_type": "PIN", "material": "UNOBTAINIUM"}))

    design = encoder.design(encoded)

    assert design[0, CATEGORIES.index("item_type")] >= 0
    assert np.isnan(design[0, CATEGORIES.index("material")])
