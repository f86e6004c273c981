"""What the engine refuses: one table of sentences and one error for each decision of a caller.

The engine speaks English and knows no translation. A caller translates ``error.template`` and fills
it in with ``error.params``. A sentence gives the value seen, the rule and the way out.
"""

import errno
import os
from collections.abc import Mapping
from typing import ClassVar

from portal.lib.coded import CodedError, gettext_noop

TEMPLATES: Mapping[str, str] = {
    # A file.
    "empty_file": gettext_noop("{name} is empty: choose a file with content."),
    "too_large": gettext_noop("{name} has {value} bytes: at most {limit} are read, so split it."),
    "unknown_kind": gettext_noop(
        "{name} is of no kind that can be read: use Markdown, text, HTML, PDF, DOCX or CSV."
    ),
    "not_what_it_says": gettext_noop(
        "{name} is not a {expected} file, whatever its name says: save it as {expected} again."
    ),
    "binary": gettext_noop(
        "{name} holds binary data (byte {position}), not text: save it as text in UTF-8."
    ),
    "wrong_encoding": gettext_noop(
        "{name} is neither UTF-8 nor UTF-16 nor CP949 (byte {position}): save it in UTF-8."
    ),
    "encrypted": gettext_noop("{name} is protected by a password: save a copy without one."),
    "bomb": gettext_noop(
        "{name} would unpack to {value}, more than the allowed {limit}: it is not opened."
    ),
    "unreadable": gettext_noop("{name} is damaged ({reason}): save or export it again."),
    "not_opened": gettext_noop(
        "{name} cannot be opened ({reason}): check who may read it, and the disk."
    ),
    "too_long": gettext_noop("{name} holds more than {limit} {unit}: split the file."),
    "cell_too_long": gettext_noop(
        "{name} has a cell of more than {limit} characters in the row that begins at line {line}: "
        "check whether a quotation mark is left open there, or divide the text among rows."
    ),
    "too_deep": gettext_noop(
        "{name} nests its tags more than {limit} deep: simplify the page or save it as text."
    ),
    "no_text": gettext_noop(
        "{name} holds no text, as scanned pages do: run text recognition over it first."
    ),
    # A query.
    "query_empty": gettext_noop("The query is empty: write at least one word."),
    "query_too_long": gettext_noop(
        "The query has {value} characters: at most {limit} are allowed, so shorten it."
    ),
    "query_not_text": gettext_noop("The query is {value}: send text."),
    "unknown_mode": gettext_noop("The mode is {value}: choose one of {allowed}."),
    "wrong_number": gettext_noop("{field} is {value}: it must lie between {low} and {high}."),
    "unknown_choice": gettext_noop("{field} is {value}: choose one of {allowed}."),
    "unknown_option": gettext_noop("{field} is not an option: choose from {allowed}."),
    "filters_not_an_object": gettext_noop(
        "The filters are {value}: send an object of field names and values."
    ),
    "too_many_filters": gettext_noop("There are {value} filter values: at most {limit} are used."),
    "unknown_field": gettext_noop("{field} is not a field to filter by: choose from {allowed}."),
    "wrong_filter": gettext_noop("The filter on {field} is {value}: send {expected}."),
    # A build.
    "no_passages": gettext_noop("There is no passage to index: add documents first."),
    "repeated_passage": gettext_noop(
        "The passage {value} occurs twice: every passage needs an id of its own."
    ),
    "wrong_passage": gettext_noop("{field} of the passage {passage} is {value}: send {expected}."),
    "folder_not_empty": gettext_noop("The folder {value} is not empty: build into a fresh one."),
    "poor_recall": gettext_noop(
        "Recall@10 is {value:.3f} against exact search, below {limit:.2f}: the index is not "
        "published. Raise ef_construction or exact_below."
    ),
    "smoke_failed": gettext_noop(
        "{value} of {total} smoke queries did not find their own passage: the index is not "
        "published."
    ),
    "cannot_train": gettext_noop(
        "The passages hold no words to learn from: add text, or build without an embedder."
    ),
    # A folder that should be an index.
    "not_an_index": gettext_noop("{value} is not an index: its manifest is missing. Build it."),
    "manifest_unreadable": gettext_noop(
        "The manifest of {value} cannot be read ({reason}): build the index again."
    ),
    "other_format": gettext_noop(
        "The index has format {value}, this version reads {expected}: build it again."
    ),
    "file_missing": gettext_noop("The index lacks {value}: fetch or build it again."),
    "file_changed": gettext_noop(
        "{value} differs from what the manifest says: fetch or build the index again."
    ),
    "tokenizer_changed": gettext_noop(
        "The tokenizer {value} cuts words otherwise than when the index was built: build it again."
    ),
    "embedder_changed": gettext_noop(
        "The embedder gives vectors of {value}, the index holds {expected}: build it again."
    ),
    "files_short": gettext_noop(
        "The index cannot be opened at this moment ({reason}): it is tried again, so wait, or "
        "raise the limit of open files (LimitNOFILE, ulimit -n)."
    ),
    "closed": gettext_noop("The index is closed: open it again."),
    # A part that is not there.
    "package_missing": gettext_noop("{value} needs the package {package}: install it first."),
    "unknown_tokenizer": gettext_noop("The tokenizer is {value}: choose one of {allowed}."),
    "endpoint_not_allowed": gettext_noop(
        "The embedding endpoint is {value}: collections may name only {allowed}. Whoever runs the "
        "portal adds an address to MILLWRIGHT_EMBEDDING_URLS."
    ),
    "unknown_embedder": gettext_noop("The embedder is {value}: choose one of {allowed}."),
    "model_unreadable": gettext_noop("The model in {value} cannot be loaded: {reason}."),
    "endpoint_refused": gettext_noop(
        "The embedding endpoint answered {value}: check its address, key and model."
    ),
    "endpoint_failed": gettext_noop("The embedding endpoint failed: {reason}. Try again later."),
    "endpoint_nonsense": gettext_noop(
        "The embedding endpoint answered nonsense: {reason}. Check that it speaks the OpenAI form."
    ),
    "memory_short": gettext_noop(
        "Only {value} MB of memory are free, below {limit} MB, and waiting {waited:.0f} s did not "
        "help: stop other work or build on a larger machine."
    ),
}


class EngineError(CodedError):
    """Root of the errors that the engine raises on purpose."""

    templates: ClassVar[Mapping[str, str]] = TEMPLATES

    @property
    def field(self) -> str:
        """The field that the error is about, or nothing."""
        return str(self.params.get("field", ""))


class ReadingError(EngineError):
    """A file cannot be turned into a document."""


class QueryProblem(EngineError):
    """A query, its filters or its options cannot be answered."""


class BuildProblem(EngineError):
    """Passages or options that no index can be built from, or a build that fails its checks."""


class IndexDamaged(EngineError):
    """A folder that is not, or no longer, an index this version can open."""


class MachineShort(EngineError):
    """The machine lacks something for the moment; what was to be opened is not damaged."""


#: No file descriptor is left in the process or on the machine, or no memory to map a file.
_PASSING_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def unopened(exc: Exception, damage: IndexDamaged) -> EngineError:
    """Return what an index that could not be opened is refused with.

    Parameters
    ----------
    exc : Exception
        What was raised. tantivy, faiss and DuckDB tell the errno in words only.
    damage : IndexDamaged
        What it means unless the machine was only short of something.
    """
    code = exc.errno if isinstance(exc, OSError) else None
    if code in _PASSING_ERRNOS or any(os.strerror(one) in str(exc) for one in _PASSING_ERRNOS):
        return MachineShort("files_short", reason=os.strerror(code) if code else str(exc)[:200])
    return damage


class EmbedderProblem(EngineError):
    """An embedder cannot be loaded or does not answer."""

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.code == "endpoint_failed"


class MemoryShort(EngineError):
    """The machine stayed short of memory for too long."""


def shown(value: object, limit: int = 60) -> str:
    """Return a value as a message shows it: quoted when text, cut when long."""
    text = ascii(value) if _has_surrogates(value) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _has_surrogates(value: object) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in str(value)[:200])
