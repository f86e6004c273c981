from collections.abc import Callable

import pytest

from portal.runs import artifacts
from portal.runs.models import Run, RunArtifact, State

Settled = Callable[..., Run]
pytestmark = pytest.mark.django_db(transaction=True)


def test_work_that_ends_well_succeeds(settled: Settled) -> None:
    run = settled(steps=3)
    assert (run.state, run.result["steps"], run.progress_fraction) == (State.SUCCEEDED, 3, 1.0)
    assert run.finished_at is not None
    assert run.started_at is not None
    assert run.finished_at >= run.started_at >= run.created_at
    assert (run.attempt, run.fence, run.lease_expires_at) == (1, 1, None)


def test_a_run_records_what_it_ran_on(settled: Settled) -> None:
    run = settled(memory_mib=64)
    assert (run.peak_memory_bytes or 0) > 64 << 20
    assert run.cpu_seconds is not None
    assert run.code_revision
    assert run.library_versions["Django"].startswith("5.2")
    assert run.host


def test_a_run_keeps_what_it_stored(settled: Settled) -> None:
    run = settled()
    kept = RunArtifact.objects.get(run=run)
    assert (kept.name, artifacts.read(kept.artifact_id)) == (
        "note.txt",
        b"The self-test was here.\n",
    )


@pytest.mark.parametrize(
    ("fail_with", "state", "code"),
    [
        ("refusal", State.FAILED, "selftest_refusal"),
        ("bug", State.ERRORED, "unexpected"),
        ("unavailable", State.QUEUED, "selftest_unavailable"),
    ],
)
def test_an_error_decides_how_the_run_ends(
    settled: Settled, fail_with: str, state: State, code: str
) -> None:
    run = settled(fail_with=fail_with)
    assert (run.state, run.error_code) == (state, code)


def test_events_tell_the_story_in_order(settled: Settled) -> None:
    run = settled(steps=2)
    story = list(run.events.values_list("type", "name"))
    assert story[:2] == [("state", "queued"), ("state", "running")]
    assert story[-1] == ("state", "succeeded")
    assert story.count(("metric", "selftest_step")) == 2
    assert Run.objects.get().events.filter(type="progress").exists()
