"""What monitoring keeps."""

from monitoring.models.drift_cursor import Arrival, DriftCursor
from monitoring.models.drift_events import DriftEvent, RetrainingProposal
from monitoring.models.drift_policy import DriftPolicy, Slicing
from monitoring.models.drift_windows import DriftBlock, DriftPast, DriftPoint, DriftWindow
from monitoring.models.objectives import Measurement, Objective
from monitoring.models.series import SeriesHour, SeriesMark, SeriesMinute
from monitoring.models.usage import UsageHour, UsageMinute, UsageReading

__all__ = [
    "Arrival",
    "DriftBlock",
    "DriftCursor",
    "DriftEvent",
    "DriftPast",
    "DriftPoint",
    "DriftPolicy",
    "DriftWindow",
    "Measurement",
    "Objective",
    "RetrainingProposal",
    "SeriesHour",
    "SeriesMark",
    "SeriesMinute",
    "Slicing",
    "UsageHour",
    "UsageMinute",
    "UsageReading",
]
