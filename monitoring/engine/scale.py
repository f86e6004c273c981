"""Words for how far a score distribution has moved, on the scale that operators know.

The scale spoke of bare divergences: below 0.3 normal, above 0.5 significant, above 1.0 severe. A
bare divergence means nothing without bins and window size, so the same words are said of its ratio
to the calibrated threshold: severe is what the calibration calls an alarm.
"""

from enum import StrEnum


class Scale(StrEnum):
    """How far the scores have moved."""

    NORMAL = "normal"
    SLIGHT = "slight"
    SIGNIFICANT = "significant"
    SEVERE = "severe"


SLIGHT_FROM, SIGNIFICANT_ABOVE, SEVERE_ABOVE = 0.3, 0.5, 1.0


def scale_of(divergence: float, threshold: float) -> Scale:
    """Return the word for a divergence.

    Parameters
    ----------
    divergence : float
        Not negative.
    threshold : float
        Calibrated, above 0.
    """
    ratio = divergence / threshold if threshold > 0 else 0.0
    if ratio > SEVERE_ABOVE:
        return Scale.SEVERE
    if ratio > SIGNIFICANT_ABOVE:
        return Scale.SIGNIFICANT
    return Scale.SLIGHT if ratio >= SLIGHT_FROM else Scale.NORMAL
