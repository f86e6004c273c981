"""What addresses of the lab take and answer."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.api import StrictSerializer
from portal.core.api.examples import example
from portal.runs.api.serializers import ProgressSerializer, RunErrorSerializer
from search.lab.engine.matrix import ENGINES, LEXICAL_LEGS, PROFILES, SEARCH_TYPES
from search.lab.models import Campaign, CellResult, Standing
from search.lab.services import estimates

#: Values of one axis; the matrix itself bounds the product.
MOST_VALUES = 50
AXES = (
    "scales",
    "dimensions",
    "search_types",
    "filters",
    "engines",
    "lexical",
    "parameters",
    "recall",
)


def _many(child: serializers.Field[Any, Any, Any, Any], text: str) -> Any:
    return serializers.ListField(
        child=child, required=False, max_length=MOST_VALUES, help_text=text
    )


@example({"profile": "quick", "engines": ["hnswlib", "millwright"], "name": "First look"})
class NewCampaignSerializer(StrictSerializer):
    profile = serializers.CharField(
        default="quick",
        help_text=f"{' or '.join(PROFILES)}: gives the axes that are left out.",
    )
    scales = _many(serializers.IntegerField(), "Passages, 1,000 to 1,000,000.")
    dimensions = _many(serializers.IntegerField(), "Lengths of the vectors, 16 to 2,048.")
    search_types = _many(serializers.CharField(), f"Of {', '.join(SEARCH_TYPES)}.")
    filters = _many(
        serializers.FloatField(allow_null=True),
        "Shares of the passages that a filter lets through, 0.001 to 0.999; null is no filter.",
    )
    engines = _many(serializers.CharField(), f"Of {', '.join(ENGINES)}.")
    lexical = serializers.CharField(
        required=False, help_text=f"Lexical leg of hybrid cells: {', '.join(LEXICAL_LEGS)}."
    )
    parameters = serializers.DictField(
        child=serializers.DictField(),
        required=False,
        help_text="Of engines that are measured, by their name.",
    )
    recall = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="Which every graph is searched broadly enough to reach, 0.5 to 0.999: its "
        "breadth is calibrated on one half of the questions and measured on the other. null: the "
        "breadth of its parameters.",
    )
    collection = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=60,
        help_text="Measure on the passages of this collection instead of generated ones.",
    )
    parallel = serializers.BooleanField(default=False, help_text="Build indexes side by side.")
    workers = serializers.IntegerField(
        default=None,
        allow_null=True,
        help_text="Builds at once, if parallel; null or 0: as many as cores and memory allow.",
    )
    max_memory_mb = serializers.IntegerField(
        default=0, help_text="Cap of each build and measurement; 0 for none."
    )
    seed = serializers.IntegerField(default=0)
    clients = _many(
        serializers.IntegerField(), "Numbers of clients whose throughput is measured: 1, 2, 4."
    )
    passes = serializers.IntegerField(
        default=5, help_text="How often each cell is measured, each time in a process of its own."
    )
    tries = serializers.IntegerField(default=3, help_text="Of a pass that other work disturbed.")
    only_builds = serializers.BooleanField(
        default=False, help_text="Build every index, then rest until it is resumed."
    )
    timed_builds = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=10,
        help_text="How often to build each corpus' indexes one after another and side by side, in "
        "turns, to compare the times.",
    )
    name = serializers.CharField(required=False, allow_blank=True, default="", max_length=120)


class RemainingSerializer(serializers.Serializer[Any]):
    seconds = serializers.FloatField()
    n_timed = serializers.IntegerField(help_text="Measured times that it rests on.")


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    state = serializers.ChoiceField(Standing.choices)
    run = serializers.UUIDField(source="run_id", allow_null=True)
    progress = serializers.SerializerMethodField(help_text="Of its latest run; null without one.")
    error = serializers.SerializerMethodField(help_text="Of its latest run.")
    n_cells = serializers.SerializerMethodField(help_text="How many cells stand where.")
    remaining = serializers.SerializerMethodField(
        help_text="Estimated from measured cells; null when nothing is left."
    )
    workers = serializers.IntegerField(
        source="n_workers", help_text="Builds at once; 0: as many as cores and memory allow."
    )
    max_memory_mb = serializers.IntegerField(source="memory_mb")
    passes = serializers.IntegerField(source="n_passes")
    tries = serializers.IntegerField(source="max_tries")
    clients = serializers.ListField(child=serializers.IntegerField())
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = Campaign
        fields = (
            "id",
            "name",
            "state",
            "matrix",
            "collection",
            "seed",
            "workers",
            "max_memory_mb",
            "clients",
            "passes",
            "tries",
            "n_cells",
            "progress",
            "remaining",
            "error",
            "environment",
            "phases",
            "run",
            "created_by",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer(allow_null=True))
    def get_progress(self, campaign: Campaign) -> Any:
        return ProgressSerializer(campaign.run).data if campaign.run else None

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, campaign: Campaign) -> Any:
        run = campaign.run
        return RunErrorSerializer(run).data if run and run.error_code else None

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_n_cells(self, campaign: Campaign) -> Any:
        return counts(campaign)

    @extend_schema_field(RemainingSerializer(allow_null=True))
    def get_remaining(self, campaign: Campaign) -> Any:
        if not counts(campaign)[CellResult.State.WAITING]:
            return None
        return vars(estimates.remaining(campaign))


class ListedCampaignSerializer(serializers.ModelSerializer[Campaign]):
    """A campaign in a list: without what takes a query for each."""

    run = serializers.UUIDField(source="run_id", allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = Campaign
        fields = ("id", "name", "collection", "matrix", "run", "created_by", "created_at")
        read_only_fields = fields


class CellFigureSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()
    n = serializers.IntegerField(help_text="Samples behind it.")


class KeptPassSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="0 first.")
    p50_ms = serializers.FloatField(help_text="Median latency of this pass alone.")
    elapsed_s = serializers.FloatField()
    counting_s = serializers.FloatField(help_text="Seconds for which answers were counted.")
    n_counted = serializers.IntegerField(help_text="Numbers of clients for which they were.")


class CellResultSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    key = serializers.CharField(help_text="Equal for equal cells of two campaigns.")
    label = serializers.CharField()  # type: ignore[assignment]  # also an attribute of DRF's
    cell = serializers.DictField()
    state = serializers.ChoiceField(CellResult.State.choices)
    error = serializers.CharField(allow_blank=True)
    flags = serializers.ListField(
        child=serializers.ChoiceField(("no_index", "short", "disturbed", "missed", "damaged")),
        help_text="no_index: the plan did not go through the index. short: a question got fewer "
        "rows than there are. disturbed: other work kept the machine busy meanwhile. missed: no "
        "breadth reaches the recall asked for. damaged: what was kept is not what was written; "
        "resuming the campaign measures it again.",
    )
    figures = serializers.DictField(
        child=CellFigureSerializer(allow_null=True), help_text="Each null until measured."
    )
    facts = serializers.DictField()
    so_far = KeptPassSerializer(many=True, help_text="Passes of a cell that is not whole yet.")
    samples = serializers.CharField(
        allow_null=True, help_text="Digest of the Parquet file that holds every sample."
    )
    measured_at = serializers.DateTimeField(allow_null=True)
    tries = serializers.IntegerField()


def counts(campaign: Campaign) -> dict[str, int]:
    """Return how many cells of a campaign stand where."""
    found: dict[str, int] = dict.fromkeys(CellResult.State.values, 0)
    for state in campaign.cells.values_list("state", flat=True):
        found[state] += 1
    return found
