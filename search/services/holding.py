"""An index that is held in memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.engine.cutting import Cutting

if TYPE_CHECKING:
    from search.engine.index import Index


@dataclass(eq=False)
class Held:
    """An index ready to be searched in this process.

    Attributes
    ----------
    collection
        Name.
    version_id, version, digest
        Of the registry's version.
    index
        Of the engine; safe for threads.
    cutting
        How the passages of changed documents are cut.
    sequence
        The last change of documents that is in it.
    """

    collection: str
    version_id: int
    version: int
    digest: str
    index: "Index"
    cutting: Cutting
    sequence: int
