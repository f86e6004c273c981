"""The manifest: what an index is, how it was made, and what its files must be."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from search.engine.files import sha256, sync, write_durably
from search.engine.options import ENDPOINT, EmbedderSpec
from search.engine.problems import IndexDamaged, unopened

NAME = "manifest.json"
#: Raised when the layout of the folder changes, so that no version misreads another's.
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """Everything about an index but its content.

    Attributes
    ----------
    tokenizer, tokenizer_fingerprint : str
        Name and what it makes of a fixed text.
    embedder : dict or None
        kind, parameters, name, version, dimensions.
    fields : dict
        Filterable fields and their types: text, number, date, path, mixed.
    counts : dict
        passages, documents, tokens, repeated documents and the like.
    vectors : dict
        kind (exact, hnsw), dimensions, shards (rows of each), ef_search.
    validation : dict
        recall_at_10, n_queries, smoke figures.
    queries : dict
        n: queries asked before the build whose vectors are kept beside the index.
    files : dict
        Size in bytes and SHA-256 of every file.
    """

    tokenizer: str
    tokenizer_fingerprint: str
    embedder: dict[str, Any] | None
    parameters: dict[str, Any]
    counts: dict[str, int]
    fields: dict[str, str]
    lexical: dict[str, Any]
    vectors: dict[str, Any] | None
    validation: dict[str, Any]
    timings_s: dict[str, float]
    cpu_s: float
    made_with: dict[str, str]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def n_passages(self) -> int:
        return self.counts["passages"]

    @property
    def n_documents(self) -> int:
        return self.counts["documents"]

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors, 0 without."""
        return int(self.vectors["dimensions"]) if self.vectors else 0

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(int(one["size_bytes"]) for one in self.files.values())

    @property
    def embedder_spec(self) -> EmbedderSpec | None:
        """The embedder as the build options named it."""
        if self.embedder is None:
            return None
        return EmbedderSpec(self.embedder["kind"], self.embedder["parameters"])

    @property
    def asks_elsewhere(self) -> bool:
        """Whether a query's vector is asked of another machine."""
        return self.embedder is not None and self.embedder["kind"] == ENDPOINT

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest ready for JSON."""
        return asdict(self)

    def write(self, folder: Path) -> None:
        """Write the manifest durably: from here on the folder is an index."""
        content = json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        write_durably(folder / NAME, content.encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a folder.

        Raises
        ------
        IndexDamaged
            If there is none, it is unreadable or of another format.
        MachineShort
            If no more files can be opened.
        """
        try:
            content = json.loads((folder / NAME).read_bytes())
        except FileNotFoundError as exc:
            raise IndexDamaged("not_an_index", value=folder.name) from exc
        except (OSError, ValueError) as exc:
            raise unopened(exc, _unreadable(folder, exc)) from exc
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise IndexDamaged("other_format", value=repr(found), expected=FORMAT)
        try:
            return cls(**content)
        except TypeError as exc:
            raise _unreadable(folder, exc) from exc


def _unreadable(folder: Path, exc: Exception) -> IndexDamaged:
    reason = f"{type(exc).__name__}: {exc}"
    return IndexDamaged("manifest_unreadable", value=folder.name, reason=reason)


def inventory(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and checksum of every file of a folder, each flushed to the disk."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync(path)
        elif path.name != NAME:
            sync(path)
            found[path.relative_to(folder).as_posix()] = {
                "size_bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
    return found


def verify(folder: Path, files: Mapping[str, Mapping[str, Any]], *, contents: bool) -> None:
    """Compare the files of a folder with its manifest.

    Parameters
    ----------
    contents : bool
        Whether checksums are compared too, not sizes only.

    Raises
    ------
    IndexDamaged
        Naming the first file that is missing or differs.
    """
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise IndexDamaged("file_missing", value=name)
        if path.stat().st_size != expected["size_bytes"]:
            raise IndexDamaged("file_changed", value=name)
        if contents and sha256(path) != expected["sha256"]:
            raise IndexDamaged("file_changed", value=name)
