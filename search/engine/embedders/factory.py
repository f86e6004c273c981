"""Which embedder a specification names."""

from collections.abc import Mapping
from pathlib import Path

from search.engine.embedders import endpoint, sentence
from search.engine.embedders.contract import Embedder
from search.engine.embedders.lsa import LsaEmbedder
from search.engine.manifest import Manifest
from search.engine.options import EmbedderSpec
from search.engine.problems import EmbedderProblem, IndexDamaged
from search.engine.tokenizers import Tokenizer

LSA = "lsa"
KINDS = (LSA, sentence.KIND, endpoint.KIND)


def pretrained(
    spec: EmbedderSpec, credentials: Mapping[str, str], dimensions: int | None = None
) -> Embedder:
    """Return an embedder that needs no training.

    Parameters
    ----------
    credentials : mapping
        ``api_key`` for an endpoint.
    dimensions : int or None
        What an index was built with.

    Raises
    ------
    EmbedderProblem
        If the kind is unknown or the model cannot be loaded.
    """
    if spec.kind == sentence.KIND:
        return sentence.load(spec.parameters)
    if spec.kind == endpoint.KIND:
        return endpoint.EndpointEmbedder.load(spec.parameters, credentials, dimensions)
    raise EmbedderProblem("unknown_embedder", value=repr(spec.kind), allowed=", ".join(KINDS))


def stored(
    manifest: Manifest, folder: Path, tokenizer: Tokenizer, credentials: Mapping[str, str]
) -> Embedder | None:
    """Return the embedder an index was built with, or None for a lexical index."""
    spec = manifest.embedder_spec
    if spec is None or manifest.embedder is None:
        return None
    known = manifest.embedder
    if spec.kind == LSA:
        return LsaEmbedder.load(
            folder, tokenizer, float(known["mean_length"]), str(known["version"])
        )
    return pretrained(spec, credentials, int(known["dimensions"]))


def check_embedder(embedder: Embedder, manifest: Manifest) -> None:
    """Refuse an embedder whose vectors mean something else than those of the index.

    Raises
    ------
    IndexDamaged
        When its version or dimensions are others.
    """
    held = manifest.embedder or {}
    if (embedder.dimensions, embedder.version) != (manifest.dimensions, held.get("version")):
        raise IndexDamaged(
            "embedder_changed",
            value=f"{embedder.name} {embedder.version} ({embedder.dimensions})",
            expected=f"{held.get('name')} {held.get('version')} ({manifest.dimensions})",
        )
