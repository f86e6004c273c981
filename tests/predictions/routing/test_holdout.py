"""Which items no version ever trains on."""

import dataclasses

import numpy as np
import pyarrow as pa

from predictions.engine.routing.generator import Generated
from predictions.engine.routing.splits import variant_groups
from predictions.engine.routing.tables import ItemTable
from predictions.services.routing import holdout


def with_drawings(items: ItemTable, drawings: list[str | None]) -> ItemTable:
    place = items.data.column_names.index("drawing_number")
    data = items.data.set_column(place, "drawing_number", pa.array(drawings, pa.string()))
    return dataclasses.replace(items, data=data)


def test_the_same_item_is_held_out_whatever_surrounds_it(generated: Generated) -> None:
    held = holdout.held_out(generated.items)
    order = np.random.default_rng(1).permutation(generated.items.n_rows)[:400]

    assert (holdout.held_out(generated.items.take(order)) == held[order]).all()
    assert 0.15 < held.mean() < 0.25


def test_no_variant_of_a_held_out_item_is_trained_on(generated: Generated) -> None:
    division = holdout.divide(generated.items)
    groups = variant_groups(generated.items)

    assert not set(groups[division.learnt]) & set(groups[division.held])
    n_parts = len(division.learnt) + len(division.held) + division.n_set_aside
    assert n_parts == generated.items.n_rows
    assert division.n_set_aside < 0.05 * generated.items.n_rows


def test_few_variants_escape_that_only_the_generator_knows(generated: Generated) -> None:
    division = holdout.divide(generated.items)
    learnt = set(generated.bases[division.learnt].tolist())

    escaped = np.mean([base in learnt for base in generated.bases[division.held].tolist()])

    assert escaped < 0.02


def test_a_variant_follows_its_drawing_and_an_item_without_one_its_code(
    generated: Generated,
) -> None:
    few = generated.items.take(np.arange(200))
    plain = with_drawings(few, [f"SH-{10_000 + row}" for row in range(200)])
    suffixed = with_drawings(few, [f"SH-{10_000 + row}-{row % 90:02d}" for row in range(200)])
    without = with_drawings(few, [None] * 200)

    assert (holdout.held_out(plain) == holdout.held_out(suffixed)).all()
    assert (holdout.held_out(without) != holdout.held_out(plain)).any()
    assert 0.1 < holdout.held_out(without).mean() < 0.3


def test_designs_of_one_year_are_not_taken_for_variants(generated: Generated) -> None:
    few = generated.items.take(np.arange(90))
    yearly = with_drawings(few, [f"2024-{row + 10}" for row in range(90)])

    assert 0 < holdout.held_out(yearly).sum() < 90
