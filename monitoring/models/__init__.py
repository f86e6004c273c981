"""What monitoring keeps."""

from monitoring.models.objectives import Measurement, Objective
from monitoring.models.series import SeriesHour, SeriesMark, SeriesMinute
from monitoring.models.usage import UsageHour, UsageMinute, UsageReading

__all__ = [
    "Measurement",
    "Objective",
    "SeriesHour",
    "SeriesMark",
    "SeriesMinute",
    "UsageHour",
    "UsageMinute",
    "UsageReading",
]
