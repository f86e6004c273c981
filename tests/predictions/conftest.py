"""Fixtures of this part: a registered version without a model behind it."""

import pytest

from portal.registry.models import ModelVersion, RegisteredModel


@pytest.fixture
def version_row(db: None) -> int:
    """Give the key of a version that nothing was trained for."""
    model = RegisteredModel.objects.create(name="stand-in", family="quality", title="Stand-in")
    version = ModelVersion.objects.create(
        model=model, number=1, dataset_fingerprint="0" * 64, digest="0" * 64
    )
    return version.pk
