"""What drift looks like from outside."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from rest_framework import serializers

from monitoring.engine.scale import Scale
from monitoring.models import (
    DriftEvent,
    DriftPolicy,
    DriftWindow,
    QueryWatch,
    RetrainingProposal,
    Slicing,
)
from monitoring.services.drift import events as services
from portal.core.api import StrictSerializer

LEVELS = [
    *Scale,
    DriftWindow.State.NO_BASELINE,
    DriftWindow.State.NOT_ENOUGH,
    DriftWindow.State.CALIBRATING,
]
SERVICE_REASON = 2_000


class DriftBaselineSerializer(serializers.Serializer[Any]):
    is_missing = serializers.BooleanField()
    version = serializers.IntegerField()
    rows = serializers.IntegerField(allow_null=True)
    edges = serializers.ListField(
        child=serializers.FloatField(),
        help_text="Between the bins of the scores: quantiles of the baseline.",
    )
    counts = serializers.ListField(
        child=serializers.IntegerField(), help_text="Scores of the baseline in each bin."
    )

    def get_fields(self) -> dict[str, Any]:
        # The name is the field's own, so it cannot be an attribute of the class.
        source = serializers.ChoiceField(DriftWindow.Source.choices, allow_null=True)
        return {**super().get_fields(), "source": source}


class DriftStatusSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    slice = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(DriftWindow.State.choices)
    drift_detected = serializers.BooleanField(
        help_text="Whether the scores are beyond the calibrated threshold; never while calibrating."
    )
    kl_divergence = serializers.FloatField(
        allow_null=True, help_text="Of the scores from the baseline, as it is, in nats."
    )
    threshold = serializers.FloatField(
        allow_null=True, help_text="Calibrated for this baseline, window and traffic."
    )
    level = serializers.ChoiceField(
        [(one.value, one.value) for one in LEVELS],
        help_text="KL divergence in thresholds: normal below 0.3, slight, significant above 0.5, "
        "severe above 1. Else why nothing is said.",
    )
    evidence = serializers.ChoiceField(
        [("none", "none"), *DriftEvent.Level.choices],
        help_text="The gravest of the open events: change, suspected, or confirmed by labels.",
    )
    buffer_size = serializers.IntegerField()
    buffer_mean = serializers.FloatField(allow_null=True)
    buffer_std = serializers.FloatField(allow_null=True)
    window = serializers.IntegerField(help_text="Predictions it takes for a look.")
    predictions_counted = serializers.IntegerField()
    past_windows = serializers.IntegerField()
    past_windows_needed = serializers.IntegerField()
    should_retrain = serializers.BooleanField(
        help_text="Five events in seven days, one severe, or a loss confirmed by labels."
    )
    open_events = serializers.IntegerField()
    signals = serializers.DictField(help_text="Each statistic of the last look and its threshold.")
    features = serializers.DictField(help_text="The same for each feature.")
    expected_performance = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Without labels: what the calibrated probabilities promise.",
    )
    judged_by_labels = serializers.DictField(allow_null=True)
    slices = serializers.ListField(child=serializers.CharField())
    baseline = DriftBaselineSerializer()


class DriftStatusQuestionSerializer(StrictSerializer):
    model = serializers.CharField(required=False, help_text="The only live model by default.")
    slice = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="As in line:Line 3 or product:2."
    )


class DriftEventSerializer(serializers.ModelSerializer[DriftEvent]):
    model = serializers.CharField(source="window.version.model.name")
    version = serializers.IntegerField(source="window.version.number")
    slice = serializers.CharField(source="window.slice")
    ratio = serializers.FloatField(help_text="The largest statistic in thresholds.")
    features = serializers.DictField(
        source="columns",
        child=serializers.FloatField(),
        help_text="Features beyond their threshold, in thresholds.",
    )
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, allow_null=True
    )
    predictions_url = serializers.SerializerMethodField()

    class Meta:
        model = DriftEvent
        fields = (
            "id",
            "model",
            "version",
            "slice",
            "signal",
            "level",
            "scale",
            "detector",
            "statistic",
            "threshold",
            "ratio",
            "kl",
            "features",
            "n_looks",
            "opened_at",
            "last_at",
            "closed_at",
            "ending",
            "acknowledged_at",
            "acknowledged_by",
            "cause",
            "predictions_url",
        )
        read_only_fields = fields

    def get_predictions_url(self, event: DriftEvent) -> str:
        """Return where the predictions are that it was found in."""
        query: dict[str, str | int] = {
            "model": event.window.version.model.name,
            "model_version": event.window.version.number,
            "since": event.predictions_since.isoformat(),
            "until": event.predictions_until.isoformat(),
        }
        return f"{reverse('prediction-list')}?{urlencode(query)}"


class DriftSummarySerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    period_days = serializers.IntegerField()
    drift_count = serializers.IntegerField(help_text="Events that began in that time.")
    max_kl_divergence = serializers.FloatField(allow_null=True)
    avg_kl_divergence = serializers.FloatField(
        allow_null=True, help_text="Mean of what was worst in each five minutes."
    )
    should_retrain = serializers.BooleanField()
    events = DriftEventSerializer(many=True)


class DriftSummaryQuestionSerializer(StrictSerializer):
    model = serializers.CharField(required=False, help_text="The only live model by default.")
    days = serializers.IntegerField(default=7, min_value=1, max_value=366)


class DriftResetSerializer(StrictSerializer):
    model = serializers.CharField(required=False, help_text="The only live model by default.")
    slice = serializers.CharField(
        required=False, allow_blank=True, help_text="Only this one; empty for the whole model."
    )
    reason = serializers.CharField(max_length=SERVICE_REASON)
    learn_anew = serializers.BooleanField(
        default=False,
        help_text="Forget what was learnt as well: what is normal now becomes the measure.",
    )


class DriftResetDoneSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    windows = serializers.IntegerField()


class DriftAcknowledgeSerializer(StrictSerializer):
    cause = serializers.CharField(
        max_length=services.LONGEST_CAUSE, help_text="What it comes from, as far as you know."
    )


class RetrainingProposalSerializer(serializers.ModelSerializer[RetrainingProposal]):
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="version.number")

    class Meta:
        model = RetrainingProposal
        fields = (
            "id",
            "model",
            "version",
            "state",
            "reason",
            "is_confirmed",
            "evidence",
            "made_at",
            "settled_at",
            "settled_by",
            "note",
            "run",
        )
        read_only_fields = fields


class DriftNoteSerializer(StrictSerializer):
    note = serializers.CharField(max_length=SERVICE_REASON, required=False, default="")


class DriftPolicySerializer(serializers.ModelSerializer[DriftPolicy]):
    model = serializers.CharField(source="model.name", read_only=True)

    class Meta:
        model = DriftPolicy
        fields = (
            "model",
            "window",
            "false_alarms_per_month",
            "score_detector",
            "column_detector",
            "slicings",
            "labelled_window",
            "cooldown_days",
            "retrains_on_loss",
        )
        read_only_fields = fields


class DriftPolicyChangeSerializer(StrictSerializer):
    window = serializers.IntegerField(required=False)
    false_alarms_per_month = serializers.FloatField(required=False)
    score_detector = serializers.ChoiceField(DriftPolicy.Detector.choices, required=False)
    column_detector = serializers.ChoiceField(
        [(one.value, one.label) for one in DriftPolicy.BINNED], required=False
    )
    slicings = serializers.ListField(child=serializers.ChoiceField(Slicing.choices), required=False)
    labelled_window = serializers.IntegerField(required=False)
    cooldown_days = serializers.IntegerField(required=False)
    retrains_on_loss = serializers.BooleanField(required=False)


class QueryWatchSerializer(serializers.Serializer[Any]):
    collection = serializers.CharField()
    version = serializers.IntegerField(help_text="Number of the live index.")
    state = serializers.ChoiceField(QueryWatch.State.choices)
    baseline_queries = serializers.IntegerField(help_text="Asked before the index was built.")
    queries = serializers.IntegerField(help_text="Asked since it is live.")
    statistic = serializers.FloatField(
        allow_null=True, help_text="Squared distance of the mean embeddings."
    )
    threshold = serializers.FloatField(allow_null=True)
    drift_detected = serializers.BooleanField()
    exceeded_at = serializers.DateTimeField(allow_null=True)
    looked_at = serializers.DateTimeField(allow_null=True)
