"""Two campaigns against each other, as services, commands and the API tell it."""

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.core.errors import Conflict, InvalidInput
from portal.core.models import User
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign
from search.lab.services import comparing, reports
from tests.search.lab import measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return measured.campaign()


def test_a_slowed_engine_is_told_from_one_that_is_the_same(campaign: Campaign) -> None:
    later = measured.campaign("later", slowed=1.25)

    found = comparing.compare(then=campaign, now=later)

    assert {one.cell.engine: one.verdict for one in found.cells} == {
        "hnswlib": "slower",
        "duckdb-hnsw": "same",
    }
    assert found.counts == {"slower": 12, "inconclusive": 0, "same": 12, "faster": 0}
    assert comparing.compare(then=later, now=campaign).counts["faster"] == 12


def test_a_disturbed_cell_is_never_more_than_inconclusive(campaign: Campaign) -> None:
    later = measured.campaign("later", slowed=2.0)
    row = later.cells.filter(cell__engine="hnswlib").first()
    assert row is not None
    measured.change(row, is_disturbed=True)
    Campaign.objects.filter(pk=later.pk).update(
        environment=measured.ENVIRONMENT | {"n_cores": 64, "versions": {"numpy": "2.1"}}
    )

    found = comparing.compare(then=campaign, now=Campaign.objects.get(pk=later.pk))

    assert found.counts["inconclusive"] == 1
    assert found.disturbed == [row.what]
    assert ("n_cores", 4, 64) in found.other_facts
    assert ("duckdb", "1.5", None) in found.other_facts


def test_campaigns_without_a_common_cell_are_refused(campaign: Campaign) -> None:
    other = measured.campaign(
        "other", plan=Matrix(scales=(5_000,), dimensions=(64,), engines=("hnswlib",))
    )
    with pytest.raises(Conflict, match="no measured cell in common"):
        comparing.compare(then=campaign, now=other)
    with pytest.raises(InvalidInput, match="margin is 7"):
        comparing.compare(then=campaign, now=campaign, margin=7)


def test_the_command_fails_on_slower_cells_when_asked(campaign: Campaign) -> None:
    later = measured.campaign("later", slowed=1.25)
    out = StringIO()

    call_command("benchmark_compare", str(campaign.pk), "later", "--language", "en", stdout=out)

    assert "Cells slower than before: 12." in out.getvalue()
    with pytest.raises(CommandError, match="slower than before: 12"):
        call_command(
            "benchmark_compare", str(campaign.pk), str(later.pk), "--fail-on-slower", stdout=out
        )
    with pytest.raises(CommandError, match="There is no campaign"):
        call_command("benchmark_compare", "nothing", "later")
    with pytest.raises(CommandError, match="There is no campaign “”"):
        call_command("benchmark_compare", "", "later")
    for number in range(2):
        pk = uuid.UUID(f"abcdef00-0000-4000-8000-00000000000{number}")
        Campaign.objects.create(pk=pk, name="one of two", matrix=measured.PLAN.to_dict())
    with pytest.raises(CommandError, match="“abcdef” may be any of 2 campaigns"):
        call_command("benchmark_compare", "abcdef", "later")


def test_a_comparison_is_written_in_every_form(campaign: Campaign) -> None:
    found = comparing.compare(then=campaign, now=campaign)

    for form in ("md", "html", "pdf", "json"):
        content, _content_type, name = reports.render_comparison(found, format=form)
        assert content
        assert name.endswith(form)
    text = reports.render_comparison(found, format="md", language="ko")[0].decode()
    assert "이전보다 느려지거나 덜 정확해진 셀이 없습니다." in text


def test_two_campaigns_are_compared_over_the_api(campaign: Campaign, client: Client) -> None:
    later = measured.campaign("later", slowed=1.25)
    client.force_login(User.objects.create_superuser("root"))
    path = f"/api/v1/benchmarks/{later.pk}/comparison/"
    found = client.get(path, {"then": str(campaign.pk)}).json()
    assert found["counts"]["slower"] == 12
    wide = client.get(path, {"then": str(campaign.pk), "margin": "0.9"}).json()
    assert wide["counts"]["same"] == 24
    page = client.get(path, {"then": str(campaign.pk), "format": "md", "language": "en"})
    assert page["Content-Type"].startswith("text/markdown")
    for given, said in (
        ({}, "“then” is “”: give the number of a campaign."),
        ({"then": "x"}, "“then” is “x”"),
        ({"then": str(campaign.pk), "margin": "wide"}, "“margin” is “wide”"),
        ({"then": str(campaign.pk), "format": "csv"}, "use one of json, md, html, pdf"),
        ({"then": str(campaign.pk), "than": "1"}, "no query parameter “than”"),
    ):
        answer = client.get(path, given, headers={"accept-language": "en"})
        assert answer.status_code == 422, given
        assert said in answer.json()["errors"][0]["message"]
    nan = client.get(path, {"then": str(campaign.pk), "margin": "nan"})
    assert nan.status_code == 422
    assert client.get(path, {"then": str(uuid.uuid4())}).status_code == 404
