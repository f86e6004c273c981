"""What monitoring keeps."""

from monitoring.models.series import SeriesHour, SeriesMark, SeriesMinute
from monitoring.models.usage import UsageHour, UsageMinute, UsageReading

__all__ = [
    "SeriesHour",
    "SeriesMark",
    "SeriesMinute",
    "UsageHour",
    "UsageMinute",
    "UsageReading",
]
