"""Sentences of the engine."""

import string

import pytest

from predictions.engine.problems import MAX_LISTED, TEMPLATES, EngineError, Problem


@pytest.mark.parametrize("code", list(TEMPLATES))
def test_sentence_is_whole_and_its_placeholders_are_named(code: str) -> None:
    template = TEMPLATES[code]

    names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    assert all(names)
    assert template.endswith((".", "?"))


def test_error_lists_fifty_and_counts_all() -> None:
    error = EngineError([Problem("a", "column_missing")] * 80)

    assert len(error.problems) == MAX_LISTED
    assert error.n_problems == 80
    assert str(error).endswith("(77 more.)")


def test_problem_goes_to_json_with_what_a_translator_needs() -> None:
    problem = Problem("a", "column_repeated", None, {"value": 2})

    content = problem.to_dict()

    assert content["params"] == {"value": 2}
    assert content["message"] == problem.template.format(field="a", value=2)
