"""Errors that carry a code and values."""

import copy
from collections.abc import Mapping
from typing import ClassVar

import pytest

from portal.lib.coded import CodedError


class KilnError(CodedError):
    """Of an engine that melts."""

    templates: ClassVar[Mapping[str, str]] = {"too_cold": "The kiln has {value} °C: heat it."}


def test_the_message_is_the_template_with_its_values() -> None:
    error = KilnError("too_cold", value=20)

    assert str(error) == "The kiln has 20 °C: heat it."
    assert (error.code, error.params, error.template) == (
        "too_cold",
        {"value": 20},
        "The kiln has {value} °C: heat it.",
    )


def test_an_error_is_made_again_from_its_code_and_values() -> None:
    again = copy.copy(KilnError("too_cold", value=20))

    assert type(again) is KilnError
    assert (str(again), again.params) == ("The kiln has 20 °C: heat it.", {"value": 20})


@pytest.mark.parametrize(("code", "params"), [("too_hot", {}), ("too_cold", {"degrees": 1})])
def test_a_code_or_a_value_that_nobody_wrote_down_is_a_mistake_of_the_raiser(
    code: str, params: dict[str, int]
) -> None:
    with pytest.raises(KeyError):
        KilnError(code, **params)
