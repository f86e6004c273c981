"""The columns of both tables."""

from predictions.engine.routing.schema import ITEM_COLUMNS, ROUTING_COLUMNS


def test_the_item_master_has_38_columns_with_distinct_names_and_labels() -> None:
    assert len(ITEM_COLUMNS) == 38
    for attribute in ("name", "label_en", "label_ko"):
        assert len({getattr(column, attribute) for column in ITEM_COLUMNS}) == 38


def test_every_number_has_a_range_and_nothing_else_has() -> None:
    for column in (*ITEM_COLUMNS, *ROUTING_COLUMNS):
        has_range = column.low is not None and column.high is not None
        assert has_range == (column.kind == "number"), column.name


def test_a_routing_step_needs_every_column() -> None:
    assert [column.name for column in ROUTING_COLUMNS if not column.is_required] == []
