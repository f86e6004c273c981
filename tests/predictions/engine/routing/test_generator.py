"""Synthetic items and routings."""

from collections import Counter

import numpy as np
import pytest

from portal.lib.hashing import digest_json
from predictions.engine.routing.generator import VARIANT_SHARE, VERSION, Generated, generate
from predictions.engine.routing.synthetic.rules import RULES
from predictions.engine.routing.synthetic.shopfloor import OPERATIONS

#: Of 60 items, seed 11, VERSION 1. It changes only together with VERSION.
FROZEN = "099304b2f23099376094ff62cfd196e01dc10c6c2cdcc4f9767c17574ea4921f"


def _digest(generated: Generated) -> str:
    tables = (generated.items.data, generated.routings.data)
    rows = [[str(value) for row in table.to_pylist() for value in row.values()] for table in tables]
    return digest_json(rows)


def test_a_draw_is_frozen_by_version_and_seed() -> None:
    assert VERSION == 1
    assert _digest(generate(60, 11)) == FROZEN


def test_another_seed_draws_another_plant() -> None:
    assert _digest(generate(60, 12)) != FROZEN


def test_a_draw_is_labelled_synthetic(generated: Generated) -> None:
    assert generated.items.source.format == "synthetic"
    assert generated.items.source.origin == "synthetic v1 seed 3"
    assert generated.routings.source.format == "synthetic"


def test_every_operation_has_times_and_every_family_a_rule(generated: Generated) -> None:
    used = set(generated.routings.column("operation"))

    assert used <= set(OPERATIONS)
    assert {kind for kind in generated.items.columns()["item_type"] if kind} <= set(RULES)


def test_planners_disagree_with_the_rules_as_often_as_documented(generated: Generated) -> None:
    assert generated.ceiling == pytest.approx(0.95, abs=0.02)


def test_a_third_of_the_items_are_variants_that_copy_a_routing(generated: Generated) -> None:
    routings = generated.routings.primary()
    codes = generated.items.codes()
    is_variant = generated.bases != np.arange(len(codes))
    copied = [
        routings[codes[row]].operations == routings[codes[generated.bases[row]]].operations
        for row in np.flatnonzero(is_variant)
    ]

    assert is_variant.mean() == pytest.approx(VARIANT_SHARE, abs=0.05)
    assert np.mean(copied) > 0.6


def test_machines_change_by_date(generated: Generated) -> None:
    place, day = generated.routings.column("work_center"), generated.routings.column("valid_from")
    old, new = day[place == "P1-CG01"], day[place == "P1-CG04"]

    assert old.max() < new.min()


def test_alternates_revisions_and_gaps_occur(generated: Generated) -> None:
    columns = generated.items.columns()
    gaps = {name: np.mean([value is None for value in columns[name]]) for name in ("item_type",)}

    assert set(generated.routings.column("alternate")) == {1.0, 2.0}
    assert len(Counter(columns["revision"])) > 2
    assert 0 < gaps["item_type"] < 0.05
    assert 0 < np.isnan(columns["tolerance_um"]).mean() < 0.1
