"""Who answers besides the champion: the challenger's share, and the version in the shadow."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from portal.registry.models import ModelVersion
from predictions.models import TrafficSplit

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]


def test_the_database_refuses_a_share_above_one_half(make_version: Make) -> None:
    version = make_version()
    words = {"model": version.model, "version": version, "reason": "test", "set_by": "nobody"}
    TrafficSplit.objects.create(share=0.5, **words)

    with pytest.raises(IntegrityError, match="predictions_split_share"), transaction.atomic():
        TrafficSplit.objects.create(share=0.51, **words)
