"""A campaign on the portal's own Postgres: what the session does there belongs to the cell."""

import pytest
from django.db import connection

from portal.core.actors import Actor
from portal.runs.tasks.execution import perform
from search.lab import dispatch
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign
from search.lab.services import campaigns

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("pgvector",),
)


def tables() -> set[str]:
    """Return the tables of indexes that lie in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^lab_[0-9a-f]{24}$'")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_counts_what_the_session_in_postgres_used() -> None:
    before = tables()
    wishes = campaigns.Wishes(clients=(1,), n_passes=1, max_tries=1)
    campaign = dispatch.start(plan=PLAN, name="in postgres", actor=ACTOR, wishes=wishes)
    perform(str(campaign.run_id), worker="test")
    row = Campaign.objects.get(pk=campaign.pk).cells.get()
    assert (row.state, row.error) == ("measured", "")
    # A session holds some megabytes by itself, which the client does not.
    assert row.facts["engine_mb"] > row.facts["peak_mb"] - row.facts["baseline_mb"] + 1
    assert row.facts["build_cpu_s"] > 0
    assert tables() == before
