from collections.abc import Iterator

import pytest
from django.utils import translation

from monitoring.health import watches
from predictions.services import serving


@pytest.fixture(autouse=True)
def _watches_end() -> Iterator[None]:
    """Speak English, and end what a test started in the background."""
    with translation.override("en"):
        yield
    watches.stop()
    serving.quality.stop()
