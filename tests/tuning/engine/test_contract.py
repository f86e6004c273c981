"""What every target must do, over every one of them."""

import json
from pathlib import Path

import pytest

from tests.tuning.engine.members import MEMBERS
from tuning.engine.contract import (
    Guard,
    Measurement,
    Target,
    Workload,
    preset,
    workload_parameters,
)
from tuning.engine.metrics import METRICS
from tuning.engine.problems import BadConfiguration, UnknownWorkload

pytestmark = pytest.mark.parametrize(("target", "seconds"), MEMBERS.values(), ids=MEMBERS)


def test_every_option_says_what_it_is(target: Target, seconds: float) -> None:
    names = [option.name for option in target.options()]
    assert len(set(names)) == len(names)
    for option in (*target.options(), *target.workload_options()):
        assert option.help
        assert option.kind != "choice" or option.default in option.choices
        if option.kind in ("integer", "real"):
            assert option.low is not None
            assert option.high is not None
            assert option.low <= float(option.default) <= option.high


def test_defaults_are_a_whole_and_valid_configuration(target: Target, seconds: float) -> None:
    defaults = target.defaults()
    assert set(defaults) == {option.name for option in target.options()}
    assert target.check({}) == defaults
    assert target.check(json.loads(json.dumps(defaults))) == defaults


def test_an_unknown_option_is_refused_by_name(target: Target, seconds: float) -> None:
    with pytest.raises(BadConfiguration, match="no_such_option") as caught:
        target.check({"no_such_option": 1})
    assert caught.value.code == "unknown_option"


def test_values_beyond_every_bound_are_refused(target: Target, seconds: float) -> None:
    for option in target.options():
        bad: tuple[object, ...] = ("nonsense", None, [])
        if option.high is not None and option.low is not None:
            bad += (option.high + 1, option.low - 1, float("nan"), float("inf"), True)
        for value in bad:
            with pytest.raises(BadConfiguration) as caught:
                target.check({option.name: value})
            assert option.name in str(caught.value)


def test_metrics_and_guards_come_from_the_one_table(target: Target, seconds: float) -> None:
    assert target.metrics()
    for metric in target.metrics():
        assert METRICS[metric.name] is metric
    for guard in target.guards():
        assert guard.metric in {metric.name for metric in target.metrics()}


def test_every_workload_is_whole_and_explained(target: Target, seconds: float) -> None:
    for workload in target.workloads():
        assert workload.help
        whole = workload_parameters(target, workload)
        assert set(whole) == {option.name for option in target.workload_options()}
        assert preset(target, workload.name) == workload


def test_unknown_workloads_are_refused_by_name(target: Target, seconds: float) -> None:
    with pytest.raises(UnknownWorkload, match="no-such-load"):
        preset(target, "no-such-load")
    with pytest.raises(UnknownWorkload, match="no_such_parameter"):
        preset(target, target.workloads()[0].name, no_such_parameter=1)


def test_a_measurement_reports_its_metrics_and_survives_json(
    target: Target, seconds: float, tmp_path: Path
) -> None:
    heard: list[float] = []
    measured = target.measure(
        target.defaults(),
        target.workloads()[0],
        seconds=seconds,
        seed=7,
        folder=tmp_path,
        beat=lambda fraction, phase: heard.append(fraction),
    )
    assert {metric.name for metric in target.metrics()} <= set(measured.values)
    assert measured.why
    assert measured.samples
    assert all(0 <= fraction <= 1 for fraction in heard)
    assert heard == sorted(heard)
    again = Measurement.from_json(json.loads(json.dumps(measured.as_json(), allow_nan=False)))
    assert again.as_json() == measured.as_json()
    assert list(tmp_path.iterdir()) == []


def test_a_beat_that_raises_ends_the_trial_and_leaves_nothing(
    target: Target, seconds: float, tmp_path: Path
) -> None:
    class Cancelled(Exception):
        pass

    def cancel(fraction: float, phase: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        target.measure(
            target.defaults(),
            target.workloads()[0],
            seconds=seconds,
            seed=7,
            folder=tmp_path,
            beat=cancel,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_bad_configuration_or_workload_starts_nothing(
    target: Target, seconds: float, tmp_path: Path
) -> None:
    arguments = {"seconds": seconds, "seed": 7, "folder": tmp_path}
    with pytest.raises(BadConfiguration):
        target.measure({"no_such_option": 1}, target.workloads()[0], **arguments)  # type: ignore[arg-type]  # named above
    with pytest.raises(UnknownWorkload):
        target.measure({}, Workload("odd", {"no_such_parameter": 1}), **arguments)  # type: ignore[arg-type]  # named above


def test_guards_tell_what_breaks_them(target: Target, seconds: float) -> None:
    name = target.metrics()[0].name
    assert Guard(name, 1.2, relative=True).holds(11.9, current=10.0)
    assert not Guard(name, 1.2, relative=True).holds(12.1, current=10.0)
    assert Guard(name, 5.0, "at_least").excess(3.0) == pytest.approx(2.0)
