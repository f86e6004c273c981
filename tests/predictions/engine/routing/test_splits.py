"""Variants stay on one side."""

import numpy as np
import pytest

from predictions.engine.routing.generator import Generated
from predictions.engine.routing.splits import PROTOCOLS, hold_out, variant_groups
from predictions.engine.routing.tables import ItemTable


def _table(*records: dict[str, object]) -> ItemTable:
    named = [
        {"item_code": f"A{row}", "item_name": "Pin", **record} for row, record in enumerate(records)
    ]
    return ItemTable.from_records(named, origin="test")


def test_revisions_and_suffixed_drawings_are_variants() -> None:
    table = _table(
        {"drawing_number": "D-100", "revision": "A"},
        {"drawing_number": "D-100", "revision": "B"},
        {"drawing_number": "D-100-01"},
        {"drawing_number": "D-200"},
        {"drawing_number": None},
        {"drawing_number": None},
    )

    assert variant_groups(table).tolist() == [0, 0, 0, 1, 2, 3]


def test_items_that_differ_in_one_size_only_are_variants() -> None:
    sizes: dict[str, object] = {
        "item_type": "PIN", "outer_diameter_mm": 10.0, "length_mm": 40.0, "hole_count": 0.0,
        "thread_count": 0.0, "annual_quantity": 900.0, "thickness_mm": 3.0,
    }  # fmt: skip
    table = _table(sizes, {**sizes, "length_mm": 50.0}, {**sizes, "material": "SUJ2"})

    assert variant_groups(table).tolist() == [0, 0, 1]


def test_nearly_all_generated_variants_are_found(generated: Generated) -> None:
    groups = variant_groups(generated.items)
    bases = generated.bases
    twins = np.flatnonzero(bases != np.arange(len(bases)))

    assert np.mean(groups[twins] == groups[bases[twins]]) > 0.98
    assert len(np.unique(groups)) > 0.9 * len(np.unique(bases))


@pytest.mark.parametrize("protocol", [p.name for p in PROTOCOLS.values() if not p.is_leaking])
def test_honest_protocols_keep_groups_together(generated: Generated, protocol: str) -> None:
    groups = variant_groups(generated.items)

    train, test = hold_out(generated.items, protocol=protocol, seed=5)

    assert len(train) + len(test) == generated.items.n_rows
    assert 0.1 < len(test) / generated.items.n_rows < 0.3
    assert not set(groups[train]) & set(groups[test])


def test_the_random_protocol_leaks_variants(generated: Generated) -> None:
    groups = variant_groups(generated.items)

    train, test = hold_out(generated.items, protocol="random", seed=5)

    assert np.isin(groups[test], groups[train]).mean() > 0.3


def test_forward_tests_on_the_latest_items(generated: Generated) -> None:
    train, test = hold_out(generated.items, protocol="forward", seed=5)
    days = generated.items.columns()["created_on"].astype(float)

    assert np.median(days[test]) > np.quantile(days[train], 0.8)
