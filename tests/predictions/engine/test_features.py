"""The family: which columns are features."""

from collections import Counter

from predictions.engine.features import (
    DEFECT_FLAGS,
    FEATURE_NAMES,
    FEATURES,
    LABEL,
    METADATA,
)


def test_family_has_sixteen_process_and_fourteen_sensor_features() -> None:
    assert Counter(feature.group for feature in FEATURES) == {"process": 16, "sensor": 14}


def test_names_are_unique_and_no_label_or_metadata_is_a_feature() -> None:
    names = [*FEATURE_NAMES, *DEFECT_FLAGS, *METADATA, LABEL]

    assert len(names) == len(set(names)) == 30 + 26 + 6 + 1


def test_every_feature_says_range_labels_and_where_the_range_comes_from() -> None:
    for feature in FEATURES:
        assert feature.low < feature.high
        assert feature.label_en
        assert feature.label_ko
        assert feature.basis


def test_counters_stay_exact_in_single_precision() -> None:
    assert all(feature.high < 2**24 for feature in FEATURES if feature.kind == "counter")
