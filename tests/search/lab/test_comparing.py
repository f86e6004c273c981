"""Which cells of two campaigns can be compared, and what counts as worse."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from portal.core.errors import Conflict
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign, CellResult
from search.lab.services import comparing, reports
from tests.search.lab import measured

PLAN = Matrix(
    scales=(10_000,),
    dimensions=(128, 256),
    search_types=("vector",),
    filters=(None,),
    engines=("hnswlib",),
)
pytestmark = pytest.mark.django_db


@pytest.fixture
def then() -> Campaign:
    return measured.campaign("then", plan=PLAN)


@pytest.fixture
def now() -> Campaign:
    return measured.campaign("now", plan=PLAN)


def test_cells_of_another_corpus_are_left_out_and_said(then: Campaign, now: Campaign) -> None:
    left, kept = now.cells.all()
    then.collection = now.collection = "manuals"
    for campaign in (then, now):
        for row in campaign.cells.all():
            is_other = campaign == now and row.key == left.key
            measured.change(row, corpus="b" if is_other else "a")

    found = comparing.compare(then=then, now=now)

    assert [one.cell.key for one in found.cells] == [kept.key]
    assert found.left_out == [(left.what, "other_corpus")]
    page = reports.render_comparison(found, format="md", language="en")[0].decode()
    assert f"{left.what.label}: measured on another corpus" in page


def test_a_generated_corpus_that_was_made_anew_is_the_same(then: Campaign, now: Campaign) -> None:
    for campaign, digest in ((then, "a"), (now, "b")):
        for row in campaign.cells.all():
            measured.change(row, corpus=digest)
    assert len(comparing.compare(then=then, now=now).cells) == 2


def test_campaigns_of_another_seed_are_refused_also_where_no_digest_was_kept(
    then: Campaign, now: Campaign
) -> None:
    Campaign.objects.filter(pk=now.pk).update(seed=7)
    now.refresh_from_db()
    with pytest.raises(Conflict, match="were measured on other corpora"):
        comparing.compare(then=then, now=now)
    assert ("seed", 0, 7) in comparing.judge(then=then, now=now).other_facts


def test_cells_that_all_failed_are_named_in_every_form(then: Campaign, now: Campaign) -> None:
    now.cells.update(state=CellResult.State.FAILED, facts={}, samples=None)

    found = comparing.compare(then=then, now=now)
    pages = {
        form: reports.render_comparison(found, format=form, language="en")[0]
        for form in ("md", "html", "pdf", "json")
    }

    assert all(pages.values())
    page = pages["md"].decode()
    assert "Cells that failed, or only now miss their index or rows: 2." in page
    assert "hnswlib 10,000 x 128, vector: failed" in page
    with pytest.raises(CommandError, match=r"Cells worse than before: hnswlib .*: failed"):
        call_command(
            "benchmark_compare", str(then.pk), str(now.pk), "--fail-on-worse", stdout=StringIO()
        )


def test_cells_that_differ_in_parameters_alone_are_left_out_each(now: Campaign) -> None:
    plan = replace(PLAN, parameters={"hnswlib": {"m": 8}})
    other = measured.campaign("other", plan=plan)

    found = comparing.judge(then=other, now=now)

    assert len(found.left_out) == 4
    assert len({cell.key for cell, _why in found.left_out}) == 4


def test_faster_at_less_recall_is_worse(then: Campaign, now: Campaign) -> None:
    for row in now.cells.all():
        own = measured.samples(row.what, 0.5, seed=row.position)
        measured.measure(row, replace(own, recall_at_10=np.full(len(own), 0.5)))

    found = comparing.compare(then=then, now=now)
    page = reports.render_comparison(found, format="md", language="en")[0].decode()

    assert found.counts["faster"] == found.n_less_exact == 2
    assert [one.ways for one in found.worse] == [["less_exact"]] * 2
    assert "Cells less exact than before: 2." in page
    assert "faster, less exact" in page
    words = ("benchmark_compare", str(then.pk), str(now.pk))
    call_command(*words, "--fail-on-slower", stdout=StringIO())
    with pytest.raises(CommandError, match=r"worse than before: hnswlib .*less exact"):
        call_command(*words, "--fail-on-worse", stdout=StringIO())


def test_a_failed_and_a_damaged_cell_are_told_apart(then: Campaign, now: Campaign) -> None:
    failed, damaged = now.cells.all()
    CellResult.objects.filter(pk=failed.pk).update(
        state=CellResult.State.FAILED, facts={}, samples=None
    )
    CellResult.objects.filter(pk=damaged.pk).update(facts=damaged.facts | {"uses_index": False})

    found = comparing.judge(then=then, now=now)

    assert [(one.key, one.ways) for one in found.worse] == [(failed.key, ["failed"])]
    assert found.left_out == [(failed.what, "not_measured"), (damaged.what, "damaged")]
