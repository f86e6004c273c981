"""The fast Shapley values against the definition, on real ensembles."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from predictions.engine.ensemble import (
    LEAF,
    TreeEnsemble,
    UnreadableEnsemble,
    from_bytes,
    from_gradient_boosting,
)
from predictions.engine.explanation.shapley import TreeExplainer

N_FEATURES = 6


def fitted(
    seed: int, n_trees: int = 12, depth: int = 4
) -> tuple[GradientBoostingClassifier, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, N_FEATURES)).astype(np.float32)
    target = rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=400) > 0
    model = GradientBoostingClassifier(n_estimators=n_trees, max_depth=depth, random_state=seed)
    return model.fit(rows, target), rows


def payoff(ensemble: TreeEnsemble, row: NDArray[np.float32], known: set[int]) -> float:
    """Walk every tree; at a split on an unknown feature follow both sides by cover."""

    def descend(node: int) -> float:
        feature = int(ensemble.feature[node])
        if feature == LEAF:
            return float(ensemble.value[node])
        left, right = int(ensemble.left[node]), int(ensemble.right[node])
        if feature in known:
            return descend(left if row[feature] <= ensemble.threshold[node] else right)
        weights = ensemble.cover[[left, right]] / ensemble.cover[node]
        return float(weights[0] * descend(left) + weights[1] * descend(right))

    return ensemble.bias + sum(descend(int(root)) for root in ensemble.roots)


def by_definition(ensemble: TreeEnsemble, row: NDArray[np.float32]) -> list[float]:
    values = []
    for player in range(N_FEATURES):
        others = [i for i in range(N_FEATURES) if i != player]
        total = 0.0
        for size in range(N_FEATURES):
            weight = factorial(size) * factorial(N_FEATURES - 1 - size) / factorial(N_FEATURES)
            for coalition in combinations(others, size):
                with_player = payoff(ensemble, row, {*coalition, player})
                total += weight * (with_player - payoff(ensemble, row, set(coalition)))
        values.append(total)
    return values


def test_values_equal_the_definition_by_all_coalitions() -> None:
    model, rows = fitted(seed=1)
    ensemble = from_gradient_boosting(model)
    found = TreeExplainer(ensemble).explain(rows[3])
    np.testing.assert_allclose(found.values, by_definition(ensemble, rows[3]), atol=1e-12)


def test_a_single_stump_gives_the_hand_worked_values() -> None:
    stump = TreeEnsemble(
        feature=np.array([1, LEAF, LEAF], dtype=np.int32),
        threshold=np.array([0.5, 0, 0], dtype=np.float32),
        left=np.array([1, LEAF, LEAF], dtype=np.int32),
        right=np.array([2, LEAF, LEAF], dtype=np.int32),
        value=np.array([0.0, -1.0, 3.0]),
        cover=np.array([4.0, 3.0, 1.0]),
        roots=np.array([0], dtype=np.int32),
        bias=0.25,
        n_features=2,
    )
    found = TreeExplainer(stump).explain(np.array([9.0, 1.0], dtype=np.float32))
    assert found.base_value == pytest.approx(0.25 + (3 * -1.0 + 1 * 3.0) / 4)
    assert found.values == pytest.approx([0.0, 3.0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32), min_size=N_FEATURES, max_size=N_FEATURES))
def test_parts_add_up_to_the_models_own_margin(values: list[float]) -> None:
    row = np.array(values, dtype=np.float32)
    found = EXPLAINER.explain(row)
    assert found.margin == pytest.approx(float(MODEL.decision_function(row[None])[0]), abs=1e-9)


def test_rows_on_a_threshold_go_the_same_way_as_in_training() -> None:
    ensemble = from_gradient_boosting(MODEL)
    inner = np.flatnonzero(ensemble.feature != LEAF)[:50]
    rows = np.zeros((len(inner), N_FEATURES), dtype=np.float32)
    rows[np.arange(len(inner)), ensemble.feature[inner]] = ensemble.threshold[inner]
    margins = [ensemble.margin(row) for row in rows]
    np.testing.assert_allclose(margins, MODEL.decision_function(rows), atol=1e-9)


def test_an_unused_feature_gets_nothing() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(300, N_FEATURES)).astype(np.float32)
    rows[:, 4] = 1.0
    model = GradientBoostingClassifier(n_estimators=10, random_state=5).fit(rows, rows[:, 0] > 0)
    assert TreeExplainer(from_gradient_boosting(model)).explain(rows[0]).values[4] == 0.0


def test_an_ensemble_survives_its_file() -> None:
    ensemble = from_gradient_boosting(MODEL)
    again = from_bytes(ensemble.to_bytes())
    assert again.margin(ROWS[0]) == ensemble.margin(ROWS[0])
    assert again.n_features == N_FEATURES


@pytest.mark.parametrize("data", [b"", b"not a file", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableEnsemble, match="not a tree ensemble"):
        from_bytes(data)


def test_a_row_with_missing_values_is_refused() -> None:
    with pytest.raises(ValueError, match="missing values"):
        EXPLAINER.explain(np.full(N_FEATURES, np.nan, dtype=np.float32))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\).*\(6,\)"):
        EXPLAINER.explain(np.zeros(3, dtype=np.float32))


MODEL, ROWS = fitted(seed=2, n_trees=30, depth=5)
EXPLAINER = TreeExplainer(from_gradient_boosting(MODEL))
