"""How the index of a collection is built, and the digest that says whether that changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from portal.lib.hashing import digest_json
from search.engine.cutting import Cutting
from search.engine.options import BuildOptions, EmbedderSpec, SearchOptions
from search.engine.problems import EngineError, shown
from search.engine.tokenizers import NAMES as TOKENIZERS
from search.services.problems import invalid_input

_PARTS = ("build", "cutting")


@dataclass(frozen=True)
class Configuration:
    """What decides an index beside the documents.

    Attributes
    ----------
    build
        Options of the engine.
    cutting
        Sizes of the passages.
    """

    build: BuildOptions
    cutting: Cutting

    @property
    def digest(self) -> str:
        """What two indexes share that were built in the same way."""
        return digest_json(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the whole configuration as JSON, defaults written out."""
        return {"build": self.build.to_dict(), "cutting": asdict(self.cutting)}


def parse(options: Mapping[str, Any]) -> Configuration:
    """Return the configuration that options ask for; what they do not name keeps its default.

    Raises
    ------
    InvalidInput
        Naming the option that is unknown or out of bounds.
    """
    strange = sorted(set(options) - set(_PARTS))
    if strange:
        message = _("There is no option “%(seen)s”; a collection takes %(known)s.") % {
            "seen": strange[0][:80],
            "known": ", ".join(_PARTS),
        }
        raise InvalidInput(
            message,
            code="unknown_option",
            problems=[FieldProblem(f"options.{strange[0][:80]}", "unknown_option", message)],
        )
    try:
        build = BuildOptions.from_dict(_object(options, "build"))
        _check_names(build)
        return Configuration(build=build, cutting=cutting_of(_object(options, "cutting")))
    except EngineError as exc:
        raise invalid_input(exc, field=f"options.{exc.field}" if exc.field else "options") from exc
    except (KeyError, TypeError) as exc:
        raise _unreadable("options", exc) from exc


def _check_names(build: BuildOptions) -> None:
    """Refuse now what a build would refuse after it was waited for."""
    from search.engine.embedders.endpoint import KIND as ENDPOINT  # noqa: PLC0415 - as below
    from search.engine.embedders.factory import KINDS  # noqa: PLC0415 - the embedders are large

    if build.tokenizer not in TOKENIZERS:
        raise EngineError(
            "unknown_tokenizer",
            field="build.tokenizer",
            value=shown(build.tokenizer),
            allowed=", ".join(TOKENIZERS),
        )
    kind = build.embedder.kind if isinstance(build.embedder, EmbedderSpec) else build.embedder
    if kind is not None and kind not in KINDS:
        raise EngineError(
            "unknown_embedder",
            field="build.embedder",
            value=shown(kind),
            allowed=", ".join(KINDS),
        )
    if kind is not None and not isinstance(build.embedder, EmbedderSpec):
        raise EngineError(
            "unknown_choice",
            field="build.embedder",
            value=shown(kind),
            allowed='{"kind": "…", "parameters": {…}}',
        )
    if isinstance(build.embedder, EmbedderSpec) and build.embedder.kind == ENDPOINT:
        _check_endpoint(build.embedder)


def _check_endpoint(embedder: EmbedderSpec) -> None:
    """Refuse an address that nobody who runs the portal vouched for: texts and a key go there."""
    url = str(embedder.parameters.get("url", ""))
    allowed = [known.rstrip("/") for known in settings.EMBEDDING_URLS]
    if url.rstrip("/") not in allowed:
        raise EngineError(
            "endpoint_not_allowed",
            field="build.embedder",
            value=shown(url),
            allowed=", ".join(allowed) or "—",
        )


def cutting_of(values: Mapping[str, Any]) -> Cutting:
    """Return sizes of passages as they were kept."""
    return Cutting(**values)


def search_options(values: Mapping[str, Any]) -> SearchOptions:
    """Return options of a search from JSON.

    Raises
    ------
    InvalidInput
        Naming the option that is unknown or out of bounds.
    """
    try:
        return SearchOptions.from_dict(values)
    except EngineError as exc:
        raise invalid_input(exc) from exc
    except TypeError as exc:
        raise _unreadable("search_defaults", exc) from exc


def _object(options: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = options.get(name, {})
    if not isinstance(value, Mapping):
        message = _("%(field)s is “%(seen)s”; send an object.") % {
            "field": f"options.{name}",
            "seen": str(value)[:80],
        }
        raise InvalidInput(
            message,
            code="not_an_object",
            problems=[FieldProblem(f"options.{name}", "type", message)],
        )
    return value


def _unreadable(field: str, exc: Exception) -> InvalidInput:
    message = _("The options cannot be read: %(reason)s.") % {"reason": str(exc)[:200]}
    return InvalidInput(
        message, code="bad_options", problems=[FieldProblem(field, "bad_options", message)]
    )
