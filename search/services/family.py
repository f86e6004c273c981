"""What the registry asks of search indexes."""

from portal.registry.families import RowScores
from portal.registry.models import EvaluationSet, ModelVersion

FAMILY_NAME = "search-index"


class SearchFamily:
    """Judges indexes by the very files that would go live."""

    name = FAMILY_NAME

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> RowScores:
        """Judge a version on the queries of a frozen set.

        Raises
        ------
        Corrupt
            When a file of the version or of the set does not match its digest.
        """
        from search.services import gating  # noqa: PLC0415 - the engine is large

        return gating.score(version, evaluation_set)

    def warm(self, version: ModelVersion) -> None:
        """Open a version as a web process would; raise ``Corrupt`` when it cannot."""
        from search.services import opening  # noqa: PLC0415 - the engine is large

        opening.opened(version).close()

    def held(self, model_name: str) -> int | None:
        """Return the version that answers in this process, which begins to follow the champion."""
        from search.services import following  # noqa: PLC0415 - models load first

        return following.held_number(model_name)
