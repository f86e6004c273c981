"""Shots are read out of whatever people paste; what is none says what to do."""

import json

import pytest

from portal.console.engine.pasting import Unreadable, read

NAMES = ("Velocity_1", "Cycle_Time", "Shot")
ROW = {"Velocity_1": "0.2", "Cycle_Time": "31.5", "Shot": "7"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Velocity_1": 0.2, "Cycle_Time": 31.5, "Shot": 7}),
        json.dumps({"features": {"Velocity_1": 0.2, "Cycle_Time": 31.5, "Shot": 7}}),
        "Velocity_1,Cycle_Time,Shot\n0.2,31.5,7\n",
        "Process,Process,Process\nvelocity_1\tcycle_time\tshot\n0.2\t31.5\t7",
        "Velocity_1;Cycle_Time;Shot\r\n0.2;31.5;7",
        'Velocity_1: 0.2\nCycle_Time = 31.5\n"Shot": 7,',
        "0.2 31.5 7",
        "0.2\t31.5\t7",
    ],
)
def test_one_shot_is_read_from_every_form(text: str) -> None:
    assert read(text, NAMES).rows == [ROW]


def test_rows_of_a_table_keep_their_order_and_what_is_unknown_is_named() -> None:
    found = read("id,Velocity_1,Cycle_Time\n1,0.2,NaN\n2,0.3,30", NAMES)
    assert found.rows == [
        {"Velocity_1": "0.2", "Cycle_Time": ""},
        {"Velocity_1": "0.3", "Cycle_Time": "30"},
    ]
    assert found.unknown == ["id"]


def test_what_is_no_number_stays_as_it_was_typed() -> None:
    assert read("Velocity_1,Shot\nfast,7", NAMES).rows == [{"Velocity_1": "fast", "Shot": "7"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  \n", "nothing to read"),
        ("{not json", "is none"),
        ("[1, 2]", "no shot"),
        ('{"colour": 3}', "No name in it"),
        ("Velocity_1,Cycle_Time,Shot", "no row below"),
        ("0.2 31.5", "neither JSON nor a table"),
    ],
)
def test_what_holds_no_shot_says_what_to_do(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read(text, NAMES)
