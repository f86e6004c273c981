"""An index that is held in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.engine.cutting import Cutting

if TYPE_CHECKING:
    from search.engine.index import Index

#: Passages, or documents, that a process keeps in memory; ours, figures in docs/performance.md.
MOST_IN_MEMORY = 2_000


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
    through
        The last change that was built in.
    changes
        Where the changes since lie on this machine; None keeps them in memory.
    spill_at
        So many passages in memory are moved there.
    """

    collection: str
    version_id: int
    version: int
    digest: str
    index: "Index"
    cutting: Cutting
    sequence: int
    through: int = 0
    changes: Path | None = None
    spill_at: int = MOST_IN_MEMORY
