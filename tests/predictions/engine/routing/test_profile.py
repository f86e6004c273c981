"""What a reader is told about an item master and its routings."""

import io
import json
from typing import Any

from predictions.engine.routing.generator import Generated
from predictions.engine.routing.profile import profile
from predictions.engine.routing.tables import cross_check, read_items, read_routings

HEADER = "item_code,alternate,sequence,operation,work_center,setup_minutes,run_minutes,valid_from\n"


def of(items: str, steps: str) -> dict[str, Any]:
    read = read_items(io.BytesIO(items.encode()))
    planned = read_routings(io.BytesIO((HEADER + steps).encode()))
    return profile(read, planned, cross_check(read, planned)).to_dict()


def found(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["code"]: finding["params"] for finding in content["findings"]}


def test_a_generated_set_is_counted(generated: Generated) -> None:
    content = profile(generated.items, generated.routings).to_dict()

    assert content["n_items"] == content["n_planned"] == generated.items.n_rows
    assert content["n_steps"] == generated.routings.n_rows
    assert sum(one["n_steps"] for one in content["operations"]) == generated.routings.n_rows
    assert len(content["columns"]) == 38
    assert content["valid_from"][0] >= "2019-01-01"
    json.dumps(content, allow_nan=False)


def test_a_hand_made_table_is_told_exactly() -> None:
    items = "item_code,item_name,material,length_mm\nA,Pin,SM45C,10\nB,Pin,SM45C,10\nC,Cover,,30\n"
    steps = (
        "A,1,10,TURN,T1,10,2,2024-01-01\nA,1,20,GRIND,G1,0,1,2024-01-01\n"
        "A,2,10,TURN,T2,12,2,2024-01-01\nB,1,10,TURN,T1,11,900,2024-03-01\n"
    )
    content = of(items, steps)
    turning = content["operations"][0]

    assert (content["n_items"], content["n_planned"], content["n_alternates"]) == (3, 2, 1)
    assert (content["n_sequences"], content["n_versions"], content["n_copies"]) == (2, 3, 1)
    assert (turning["name"], turning["n_steps"], turning["n_work_centers"]) == ("TURN", 3, 2)
    assert turning["setup"] == (10.0, 11.0, 12.0)
    assert content["valid_from"] == ("2024-01-01", "2024-03-01")
    assert content["created_on"] is None
    findings = found(content)
    assert findings["items_unplanned"]["value"] == 1
    assert findings["items_copied"]["value"] == 1
    assert findings["times_far"]["item"] == "B"
    assert findings["times_zero"]["value"] == 1
    assert "material" in findings["columns_constant"]["names"]


def test_steps_out_of_order_are_pointed_out() -> None:
    steps = "A,1,20,GRIND,G1,5,1,2024-01-01\nA,1,10,TURN,T1,10,2,2024-01-01\n"

    assert "sequence_not_ascending" in found(of("item_code,item_name\nA,Pin\n", steps))
