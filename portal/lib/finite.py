"""Numbers as JSON has them."""

import math
from typing import Any


def sound(content: Any) -> Any:
    """Return plain JSON: numbers that JSON does not have, infinite or none at all, become null."""
    if isinstance(content, dict):
        return {str(name): sound(one) for name, one in content.items()}
    if isinstance(content, list | tuple):
        return [sound(one) for one in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
