"""Reasons that people give: present, meant, and short enough to read."""

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput

MAX_CHARS = 2000
EMERGENCY_MIN_CHARS = 20  # ours: long enough to name what burns; tests/registry/test_emergency.py


def checked_reason(reason: str, *, min_chars: int = 1) -> str:
    """Return the reason without spaces around it.

    Raises
    ------
    InvalidInput
        If it is shorter than asked for, or longer than 2,000 characters.
    """
    text = (reason or "").replace("\x00", " ").strip()
    if min_chars <= len(text) <= MAX_CHARS:
        return text
    message = _(
        "A reason of %(low)d to %(high)d characters is needed; this one has %(n)d. Say why, in "
        "words that help whoever reads the history."
    ) % {"low": min_chars, "high": MAX_CHARS, "n": len(text)}
    raise InvalidInput(
        message, code="reason_needed", problems=[FieldProblem("reason", "reason_needed", message)]
    )
