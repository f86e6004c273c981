from collections.abc import Iterator

import pytest

from monitoring.health import watches
from predictions.services import serving


@pytest.fixture(autouse=True)
def _watches_end() -> Iterator[None]:
    """End what a test started in the background before its database is emptied."""
    yield
    watches.stop()
    serving.quality.stop()
