"""What monitoring keeps."""

from monitoring.models.alert_answers import ChatAccount, ChatReply, Pulse, UsedNonce
from monitoring.models.alert_channels import Channel, DeliveredAlert, Delivery, DeliveryAttempt
from monitoring.models.alert_rules import AlertRule, Firing, RuleStep, Silence
from monitoring.models.drift_cursor import Arrival, DriftCursor
from monitoring.models.drift_events import DriftEvent, RetrainingProposal
from monitoring.models.drift_policy import DriftPolicy, Slicing
from monitoring.models.drift_windows import DriftBlock, DriftPast, DriftPoint, DriftWindow
from monitoring.models.objectives import Measurement, Objective
from monitoring.models.quality import (
    Expectation,
    QualityWindow,
    QuarantinedRow,
    Refusal,
    Rule,
)
from monitoring.models.query_watches import QueryWatch
from monitoring.models.series import SeriesHour, SeriesMark, SeriesMinute
from monitoring.models.usage import UsageHour, UsageMinute, UsageReading

__all__ = [
    "AlertRule",
    "Arrival",
    "Channel",
    "ChatAccount",
    "ChatReply",
    "DeliveredAlert",
    "Delivery",
    "DeliveryAttempt",
    "DriftBlock",
    "DriftCursor",
    "DriftEvent",
    "DriftPast",
    "DriftPoint",
    "DriftPolicy",
    "DriftWindow",
    "Expectation",
    "Firing",
    "Measurement",
    "Objective",
    "Pulse",
    "QualityWindow",
    "QuarantinedRow",
    "QueryWatch",
    "Refusal",
    "RetrainingProposal",
    "Rule",
    "RuleStep",
    "SeriesHour",
    "SeriesMark",
    "SeriesMinute",
    "Silence",
    "Slicing",
    "UsageHour",
    "UsageMinute",
    "UsageReading",
    "UsedNonce",
]
