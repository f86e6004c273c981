"""Reports of campaigns in every format and language."""

import csv
import io
import json
import math
import shlex
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.lib.hashing import digest_json
from portal.runs import artifacts
from search.lab import selectors
from search.lab.engine.analysis import choosing
from search.lab.engine.matrix import Matrix
from search.lab.engine.statistics import Figure
from search.lab.management.commands import benchmark
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, reports
from search.lab.services.reports import advice, again, findings, tables
from tests.search.lab import measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return measured.campaign()


def test_a_korean_page_says_what_to_take_and_asks_nobody(campaign: Campaign) -> None:
    content, content_type, name = reports.render(campaign, format="html", language="ko")

    tree = LexborHTMLParser(content.decode())
    assert content_type.startswith("text/html")
    assert name.isascii()
    assert name.endswith(".html")
    text = tree.text()
    assert "측정 <하나>" in text
    assert "권고" in text
    assert "hnswlib x 128" in text
    assert "네 코어 <프로세서>" in text
    assert len(tree.css("figure")) >= 5
    assert not tree.css("img, link, iframe, script[src]")


@pytest.mark.parametrize(("language", "heading"), [("ko", "권고"), ("en", "Recommendation")])
def test_a_pdf_is_read_back_in_its_language(
    campaign: Campaign, language: str, heading: str
) -> None:
    content, content_type, _name = reports.render(campaign, format="pdf", language=language)

    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    assert content_type == "application/pdf"
    assert heading in text
    assert "측정 <하나>" in text
    assert "duckdb-hnsw" in text


def test_tables_hold_every_cell_with_its_figures(campaign: Campaign) -> None:
    row = campaign.cells.first()
    assert row is not None
    CellResult.objects.filter(pk=row.pk).update(
        state=CellResult.State.FAILED, error="=1+1 went wrong", samples=None
    )

    text = reports.render(campaign, format="csv", language="en")[0].decode("utf-8-sig")
    table = pq.read_table(io.BytesIO(reports.render(campaign, format="parquet")[0]))

    rows = list(csv.DictReader(StringIO(text)))
    assert len(rows) == table.num_rows == measured.PLAN.n_cells
    assert rows[0]["error"] == "'=1+1 went wrong"
    assert rows[0]["p50_ms"] == ""
    assert float(rows[1]["p50_ms_low"]) <= float(rows[1]["p50_ms"]) <= float(rows[1]["p50_ms_high"])
    assert float(rows[1]["per_second_2"]) == 1725.0
    assert table["recall_at_1"][1].as_py() == pytest.approx(0.98, abs=0.02)


def test_json_holds_the_analysis(campaign: Campaign) -> None:
    content = json.loads(reports.render(campaign, format="json")[0])

    analysis = content["analysis"]
    (first, *_rest) = advice = analysis["recommendations"]
    assert (first["scale"], first["search_type"], first["filter_share"]) == (10_000, "vector", 0.1)
    assert len(advice) == 4
    assert {one["cell"]["scale"] for one in advice} == {10_000, 100_000}
    assert {one["cell"]["engine"] for one in advice} == {"hnswlib"}
    assert analysis["cost_model"]["median_error"] < 0.1
    assert {one["factor"] for one in analysis["effects"]} >= {"engine", "scale", "dimension"}
    law = next(one for one in analysis["scaling"] if one["axis"] == "dimension")
    assert law["low"] < 0.9 < law["high"]
    assert content["cells"][0]["exactness"]["mean_reciprocal_rank"] > 0.9


def test_no_report_holds_a_number_that_json_lacks(campaign: Campaign) -> None:
    """Latencies that follow their law without any rest have no F value."""
    for row in campaign.cells.all():
        cell = row.what
        own = measured.samples(cell)
        each = measured.BASES[cell.engine] * (2.0 if cell.filter_share else 1.0)
        own = replace(own, wall_ms=np.full(len(own), each), cpu_ms=np.full(len(own), each))
        measured.measure(row, own)

    text = reports.render(campaign, format="json")[0].decode()
    content = json.loads(text, parse_constant=_refuse)
    table = pq.read_table(io.BytesIO(reports.render(campaign, format="parquet")[0]))
    page = reports.render(campaign, format="md", language="en")[0].decode()

    assert any(one["f_value"] is None for one in content["analysis"]["effects"])
    assert "there is no F value" in page
    for name in table.column_names:
        values = table[name].to_pylist()
        assert all(math.isfinite(one) for one in values if isinstance(one, float)), name


def _refuse(word: str) -> float:
    raise AssertionError(f"{word} is no JSON")


def test_a_figure_that_is_no_number_is_null_and_an_empty_field(campaign: Campaign) -> None:
    (line, *_rest) = selectors.lines(campaign)
    facts = (line.facts or {}) | {"load_s": math.nan, "peak_mb": math.inf}
    odd = replace(line, facts=facts, p99=Figure(math.inf, 1.0, math.inf, 3))

    shown = odd.to_dict()
    (row,) = tables.rows(replace(findings.gather(campaign), lines=[odd]))

    assert shown["figures"]["p99_ms"] == {"value": None, "low": 1.0, "high": None, "n": 3}
    assert (shown["facts"]["load_s"], shown["facts"]["peak_mb"]) == (None, None)
    assert (row["p99_ms"], row["load_s"], row["peak_mb"]) == (None, None, None)
    json.dumps(shown, allow_nan=False)


def test_what_was_disturbed_failed_or_damaged_is_said(campaign: Campaign) -> None:
    first, second, third, *_rest = campaign.cells.all()
    measured.change(first, is_disturbed=True, uses_index=False)
    CellResult.objects.filter(pk=second.pk).update(
        state=CellResult.State.FAILED, error="disk full", samples=None
    )
    CellResult.objects.filter(pk=third.pk).update(
        state=CellResult.State.WAITING, facts={}, samples=None
    )

    text = reports.render(campaign, format="md", language="en")[0].decode()

    assert "did not use its index, disturbed by other load" in text
    assert "failed. disk full" in text
    assert "Cells that were not measured yet: 1." in text


def test_cells_that_no_analysis_counts_are_counted_with_the_reason(campaign: Campaign) -> None:
    first, second, third, *_rest = campaign.cells.all()
    measured.change(first, falls_short=True, is_disturbed=True)
    measured.change(second, is_disturbed=True)
    measured.change(third, calibration={"is_reached": False, "ef_search": 1024})

    page = reports.render(campaign, format="md", language="en")[0].decode()
    left_out = reports.content(campaign)["analysis"]["left_out"]

    assert "3 of 24 measured cells are shown but left out of every analysis" in page
    assert "disturbed by other load (2)" in page
    assert left_out == {"n_cells": 3, "by_reason": {"disturbed": 2, "missed": 1, "short": 1}}


def test_a_cell_that_lacks_a_fact_is_named_and_measured_again(campaign: Campaign) -> None:
    row = campaign.cells.first()
    assert row is not None
    facts = {name: one for name, one in row.facts.items() if name != "build_s"}
    CellResult.objects.filter(pk=row.pk).update(facts=facts, digest=digest_json(facts))

    for form in reports.FORMATS:
        assert reports.render(campaign, format=form, language="en")[0]
    page = reports.render(campaign, format="md", language="en")[0].decode()
    assert "Its facts lack build_s: resume the campaign" in page
    assert len(selectors.points_of(selectors.lines(campaign))) == measured.PLAN.n_cells - 1
    assert campaigns.repeat_damaged(campaign=campaign) == [row.what.label]
    row.refresh_from_db()
    assert row.state == CellResult.State.WAITING


def _stored(row: CellResult) -> Path:
    """Return the file of a cell's samples."""
    assert row.samples is not None
    return Path(artifacts._storage().path(row.samples.storage_name))


def test_what_was_altered_gives_no_figure_and_is_said(campaign: Campaign) -> None:
    first, second, *_rest = campaign.cells.all()
    CellResult.objects.filter(pk=first.pk).update(facts=first.facts | {"peak_mb": 1.0})
    _stored(second).write_bytes(b"harmed")

    content = json.loads(reports.render(campaign, format="json")[0])
    page = reports.render(campaign, format="md", language="en")[0].decode()

    altered = content["cells"][0]
    assert (altered["flags"], altered["figures"]["p50_ms"]) == (["damaged"], None)
    assert "resume the campaign, and it is measured again" in page
    assert [line.flags for line in selectors.lines(campaign)][:2] == [
        ("damaged",),
        ("damaged",),
    ]


def test_a_campaign_whose_report_misses_samples_can_be_resumed(campaign: Campaign) -> None:
    first, second, *_rest = campaign.cells.all()
    assert not campaigns.has_more(campaign, selectors.lines(campaign))
    _stored(second).unlink()
    assert reports.content(campaign)
    assert campaigns.has_more(campaign, selectors.lines(campaign))
    CellResult.objects.filter(pk=second.pk).delete()
    assert not campaigns.has_more(campaign, selectors.lines(campaign))
    CellResult.objects.filter(pk=first.pk).update(state=CellResult.State.FAILED)
    assert campaigns.has_more(campaign, selectors.lines(campaign))


def test_damaged_samples_are_no_lone_pass(campaign: Campaign) -> None:
    first, second, *_rest = selectors.points_of(selectors.lines(campaign))
    _stored(campaign.cells.get(key=first.cell.key)).unlink()
    ratio = findings._ratio(campaign)
    found = choosing.recommend([first, second], min_recall=0.5, ratio=ratio)
    assert (found.lead, found.sureness) == (None, choosing.DAMAGED)
    with translation.override("en"):
        assert advice._sure(found).startswith("not told: samples are damaged; next best is ")
        (said,) = advice._sureness([found])
    assert said == "Choices of which damaged samples do not tell how sure they are: 1."


def test_savings_in_a_program_s_report_are_those_of_the_machine_that_built(
    campaign: Campaign,
) -> None:
    campaign.environment = {"n_cores": 3}
    phase = {"scale": 1_000, "dimension": 16, "n_workers": 8, "sum_s": 80.0, "longest_s": 1.0}
    campaign.phases = [
        phase | {"phase": "sequence", "n_workers": 1, "wall_s": 80.0},
        phase | {"phase": "parallel", "wall_s": 30.0},
    ]
    (saved,) = reports.content(campaign)["analysis"]["builds"]
    assert (saved["bound"], saved["limited_by"]) == (3, "cores")


def test_resuming_leaves_what_is_damaged_to_the_run(campaign: Campaign) -> None:
    first, second, *_rest = campaign.cells.all()
    with pytest.raises(Conflict, match="has measured all of its cells"):
        campaigns.ready_to_resume(campaign=campaign)
    CellResult.objects.filter(pk=first.pk).update(facts=first.facts | {"peak_mb": 1.0})
    _stored(second).unlink()

    assert campaigns.ready_to_resume(campaign=campaign) == 2
    assert not campaign.cells.filter(state=CellResult.State.WAITING).exists()
    said = campaigns.repeat_damaged(campaign=campaign)
    assert said == [first.what.label, second.what.label]
    assert campaign.cells.filter(state=CellResult.State.WAITING).count() == 2


def test_a_campaign_without_a_figure_has_a_report() -> None:
    empty = campaigns.create(plan=measured.PLAN, name="", actor=Actor.system("test"))

    for form in reports.FORMATS:
        assert reports.render(empty, format=form, language="ko")[0]
    page = reports.render(empty, format="md", language="en")[0].decode()
    assert "No cell is measured, so that nothing can be recommended." in page


def test_a_small_campaign_says_why_it_has_no_advice_and_no_growth() -> None:
    plan = Matrix(
        scales=(10_000,),
        dimensions=(128,),
        search_types=("vector",),
        filters=(0.005, 0.999),
        engines=("hnswlib",),
        parameters={"hnswlib": {"m": 8}},
    )
    small = measured.campaign("small", plan=plan)
    for row in small.cells.all():
        measured.change(row, falls_short=True)

    page = reports.render(small, format="md", language="en")[0].decode()

    assert "Every measured cell has a note against it" in page
    assert "Not told: no engine, way of searching and filter" in page
    assert "hnswlib 10,000 x 128, vector, 0.5% filter" in page
    assert "99.9% filter" in page
    assert "given over the API alone" not in page


def test_a_recommendation_keeps_to_limits_and_says_how_sure_it_is(campaign: Campaign) -> None:
    limits = choosing.Limits(min_recall=0.9, max_p95_ms=0.5, each_length=True)
    found = reports.content(campaign, limits)["analysis"]
    page = reports.render(campaign, format="md", language="en", limits=limits)[0].decode()

    assert found["limits"]["max_p95_ms"] == 0.5
    taken = [one for one in found["recommendations"] if one["cell"]]
    assert len(found["recommendations"]) == 2 * 3 * 2
    assert 0 < len(taken) < 12
    assert {one["cell"]["dimension"] == one["dimension"] for one in taken} == {True}
    assert {one["sureness"] for one in taken} == {"only"}
    nothing = [one for one in found["recommendations"] if not one["cell"]]
    assert {one["sureness"] for one in nothing} == {None}
    assert "a recall of at least 0.9, a p95 of at most 0.5 ms" in page
    assert "the only one that surely reaches it" in page
    with pytest.raises(InvalidInput, match=r"max_memory_mb is -1.* above 0"):
        reports.render(campaign, limits=choosing.Limits(max_memory_mb=-1.0))


def test_an_unknown_format_or_language_is_named(campaign: Campaign) -> None:
    with pytest.raises(InvalidInput, match="format is “docx”: choose from md, html, pdf"):
        reports.render(campaign, format="docx")
    with pytest.raises(InvalidInput, match="language is “fr”: choose from ko, en"):
        reports.render(campaign, language="fr")


def test_the_command_writes_files_and_says_where(campaign: Campaign, tmp_path: Path) -> None:
    out = StringIO()
    call_command("benchmark_report", str(campaign.pk), "--output", str(tmp_path), stdout=out)
    call_command("benchmark_report", "--output", str(tmp_path / "a.pdf"), stdout=out)

    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.glob("*.md"))) == 1
    assert str(tmp_path / "a.pdf") in out.getvalue()
    with pytest.raises(CommandError, match="not for the screen"):
        call_command("benchmark_report", "--format", "pdf")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("benchmark_report", "--output", str(tmp_path / "none" / "a.md"))


def test_a_report_says_how_sure_it_is_and_how_to_measure_again(campaign: Campaign) -> None:
    measured.change(campaign.cells.all()[0], is_disturbed=True)
    page = reports.render(campaign, format="md", language="en")[0].decode()
    assert "how sure it is the fastest" in page
    assert "surely: hnswlib x 256 takes" in page
    assert "What the notes mean:" in page
    assert "Other work kept the machine busy" in page
    assert "10,000 passages, vector: recall against latency" in page
    assert "10,000 passages, vector, filter 10%: recall against latency" in page
    assert "recall against throughput" in page
    assert "recall against the time of the build" in page


def test_the_command_of_a_report_asks_for_the_same_cells(campaign: Campaign) -> None:
    words = shlex.split(again.command(campaign))
    parser = benchmark.Command().create_parser("manage.py", "benchmark")
    options = vars(parser.parse_args(words[2:]))
    assert benchmark._plan(options).cells() == measured.PLAN.cells()
    assert options["name"] == campaign.name
    assert benchmark._wishes(options).n_passes == campaign.n_passes


def test_what_is_said_of_many_cells_is_said_once(campaign: Campaign) -> None:
    rows = list(campaign.cells.all())
    for row in rows:
        measured.change(row, is_disturbed=True, falls_short=row.position in {0, 1})
    page = reports.render(campaign, format="md", language="en")[0].decode()
    head = page.partition("## Latency and recall")[0]
    head = "\n".join(line for line in head.splitlines() if "left out of every analysis" not in line)
    assert head.count("disturbed by other load") == 1
    assert "24 cells: disturbed by other load. hnswlib 12 of 12; duckdb-hnsw 12 of 12." in head
    assert head.count("returned fewer rows than there are") == 2
    part = [row for row in rows if row.what.scale == 10_000 or row.what.engine == "hnswlib"]
    for row in set(rows) - set(part):
        measured.change(row, is_disturbed=False)
    page = reports.render(campaign, format="md", language="en")[0].decode()
    assert "duckdb-hnsw 6 of 12 (10,000 x 128, 10,000 x 256, 10,000 x 512)" in page


def test_a_report_says_which_cells_rest_on_other_versions_or_corpora(campaign: Campaign) -> None:
    for row in campaign.cells.all():
        is_late = row.position > 0
        measured.change(
            row,
            versions={"duckdb": "1.6" if is_late else "1.5"},
            corpus="b" if is_late else "a",
            passes=[{"measured_at": f"2026-01-0{1 + is_late}T00:00:00+00:00"}],
        )
    page = reports.render(campaign, format="md", language="en")[0].decode()
    assert "1 cells were measured with other versions: duckdb 1.5 → 1.6" in page
    assert "The cells of 10,000 x 128 were measured on different corpora." in page
