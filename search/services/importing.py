"""Files read into a collection as a run: one bad file is reported and never stops the rest."""

import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.core.models import User
from portal.lib.hashing import canonical_json
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits
from search.engine.text import clean
from search.models import Collection
from search.services import collections, documents, frontmatter, problems, requesting
from search.services.documents import Incoming

REPORT = "report.json"
#: Files that are kept in one transaction.
BATCH = 50
#: Or fewer, when they hold so many characters: they are all in memory at once.
BATCH_CHARS = 4_000_000
MOST_LISTED = 200


@dataclass
class Tally:
    """What became of the files of an import."""

    n_files: int = 0
    n_created: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_skipped: int = 0
    skipped: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def skip(self, name: str, finding: Mapping[str, Any]) -> None:
        """Note that a file was left out and why."""
        self.n_skipped += 1
        self.skipped.append({"name": name, **finding})

    def figures(self) -> dict[str, int]:
        """Return the counts."""
        return {
            "n_files": self.n_files,
            "n_created": self.n_created,
            "n_updated": self.n_updated,
            "n_unchanged": self.n_unchanged,
            "n_skipped": self.n_skipped,
        }


@contextmanager
def packed(folder: Path, pattern: str = "*") -> Iterator[tuple[BinaryIO, int]]:
    """Give the files of a folder as one archive, with their number.

    Hidden files and folders are left out. Of a file that cannot be opened or is too large the
    archive holds only why, so that the report names it.

    Raises
    ------
    InvalidInput
        When it is no folder, or holds no file.
    """
    files = list(_files(folder, pattern))
    if not files:
        raise InvalidInput(
            _("“%(folder)s” is no folder with files: name one that holds documents.")
            % {"folder": str(folder)[:200]},
            code="no_files",
        )
    with TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            for path in files:
                _pack(archive, path, _in_unicode(path.relative_to(folder).as_posix()))
        file.seek(0)
        yield file, len(files)


def _pack(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    """Put a file into an archive, or why it cannot be had."""
    entry = zipfile.ZipInfo(name)  # without the file's own time, which may be before 1980
    most, data, refused = Limits().max_bytes, b"", None
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        refused = ReadingError("not_opened", name=name, reason=reason)
    if len(data) > most:
        refused = ReadingError("too_large", name=name, value=f"more than {most}", limit=most)
    if refused is not None:
        entry.comment, data = canonical_json(problems.finding(refused)), b""
    with warnings.catch_warnings():  # two names may be one in Unicode; the report names the second
        warnings.filterwarnings("ignore", "Duplicate name")
        archive.writestr(entry, data)


def _in_unicode(name: str) -> str:
    """Return the name of a file as text; what came from a Korean Windows may be in CP949."""
    for encoding in ("utf-8", "cp949"):
        try:
            return os.fsencode(name).decode(encoding)
        except UnicodeDecodeError:
            continue
    return os.fsencode(name).decode("utf-8", "replace")


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(pattern)) if folder.is_dir() else ():
        parts = path.relative_to(folder).parts
        is_hidden = any(part.startswith(".") for part in parts)
        # Not pathlib's own tests: they raise for a link into a folder that may not be read.
        is_file = os.path.isfile(path)  # noqa: PTH113 - as above
        leads_nowhere = not os.path.exists(path)  # noqa: PTH110 - as above
        if not is_hidden and (is_file or leads_nowhere):
            yield path  # a link to nowhere too, so that the report names it; never a pipe


def load(ctx: RunContext) -> dict[str, Any]:
    """Read the files of a run into its collection.

    Parameters
    ----------
    ctx
        Its parameters: ``collection``, ``artifact``, ``name``; ``is_archive`` for what
        :func:`packed` made; ``external_id``, ``taxonomy``, ``content_type``, ``metadata`` for a
        single file; ``duplicates``.

    Returns
    -------
    dict
        The counts, and the first files that were skipped.

    Raises
    ------
    NotFound
        When the collection is gone.
    InvalidInput
        When the only file cannot be read.
    """
    collection = collections.get(ctx.parameters["collection"])
    tally = Tally()
    with artifacts.open_verified(ctx.parameters["artifact"]) as path:
        if ctx.parameters["is_archive"]:
            _load_archive(ctx, collection, path, tally)
        else:
            with path.open("rb") as file:
                _load_file(ctx, collection, file, tally)
    report = {**tally.figures(), "skipped": tally.skipped, "notes": tally.notes}
    ctx.save_artifact(REPORT, canonical_json(report), "application/json")
    with transaction.atomic():
        requesting.if_needed(collection=collection, actor=_actor(ctx), parent=None)
    ctx.progress(1.0, _("done"), _("%(count)d files read.") % {"count": tally.n_files})
    return {**tally.figures(), "skipped": tally.skipped[:MOST_LISTED]}


def _load_file(ctx: RunContext, collection: Collection, file: BinaryIO, tally: Tally) -> None:
    given = ctx.parameters
    name = given["name"]
    source = artifacts.find(given["artifact"])
    try:
        incoming = _incoming(file, name, source=source)
    except ReadingError as exc:
        raise problems.invalid_input(exc, field="file") from exc
    incoming = Incoming(
        external_id=given.get("external_id") or incoming.external_id,
        title=given.get("title") or incoming.title,
        taxonomy=given.get("taxonomy") or incoming.taxonomy,
        content_type=given.get("content_type") or incoming.content_type,
        date=incoming.date,
        metadata={**incoming.metadata, **given.get("metadata", {})},
        document=incoming.document,
        source_name=name,
        source=source,
    )
    tally.n_files = 1
    _keep(ctx, collection, [incoming], tally)


def _load_archive(ctx: RunContext, collection: Collection, path: Path, tally: Tally) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        batch: list[Incoming] = []
        names: dict[str, str] = {}
        n_chars = 0
        for place, entry in enumerate(entries):
            message = _("%(name)s (%(place)d of %(all)d)") % {
                "name": entry.filename,
                "place": place + 1,
                "all": len(entries),
            }
            ctx.progress(place / len(entries), _("read"), message)
            tally.n_files += 1
            if entry.comment:
                tally.skip(entry.filename, json.loads(entry.comment))
                continue
            try:
                with archive.open(entry) as file:
                    found = _incoming(file, entry.filename, in_folder=True)
            except ReadingError as exc:
                tally.skip(entry.filename, problems.finding(exc))
                continue
            own_id = clean(found.external_id).strip()
            if own_id in names:  # or two names that are one in Unicode
                tally.skip(entry.filename, _same_id(found.external_id, names[own_id]))
                continue
            names[own_id] = entry.filename
            batch.append(found)
            n_chars += _n_chars(found)
            if len(batch) >= BATCH or n_chars >= BATCH_CHARS:
                _keep(ctx, collection, batch, tally)
                batch, n_chars = [], 0
        _keep(ctx, collection, batch, tally)


def _same_id(external_id: str, other: str) -> dict[str, Any]:
    message = _("It has the identifier “%(id)s” of “%(other)s”, which is kept.") % {
        "id": external_id[:80],
        "other": other,
    }
    return {"code": "same_id", "params": {}, "message": message}


def _n_chars(incoming: Incoming) -> int:
    blocks = incoming.document.blocks if incoming.document is not None else ()
    return sum(len(one.text) for one in blocks)


def _incoming(
    file: Any, name: str, *, source: Artifact | None = None, in_folder: bool = False
) -> Incoming:
    """Return the document of a file; raise ``ReadingError`` when it cannot be read."""
    from search.engine.readers.reading import read  # noqa: PLC0415 - the readers are large

    data = file.read(Limits().max_bytes + 1)
    text = read(data, name=PurePosixPath(name).name)
    head = _head(data, name) if text.kind == "markdown" else frontmatter.Head()
    folder = PurePosixPath(name).parent.as_posix()
    return Incoming(
        external_id=head.id or name,
        title=head.title,
        taxonomy=head.taxonomy or (folder if in_folder and folder != "." else ""),
        content_type=head.content_type,
        date=head.date,
        metadata=dict(head.metadata),
        document=text,
        source_name=name,
        source=source,
        notes=text.notes,
    )


def _head(data: bytes, name: str) -> frontmatter.Head:
    from search.engine.readers.decoding import decoded  # noqa: PLC0415 - as above

    return frontmatter.read(decoded(data, name)[:20_000])


def _keep(ctx: RunContext, collection: Collection, batch: list[Incoming], tally: Tally) -> None:
    """Keep a batch under the run's fence; when one breaks a rule, each by itself."""
    if not batch:
        return
    try:
        _upsert(ctx, collection, batch, tally)
    except InvalidInput as exc:
        if len(batch) == 1:
            name = batch[0].source_name or batch[0].external_id
            message = exc.problems[0].message if exc.problems else str(exc)
            tally.skip(name, {"code": exc.specific_code, "params": {}, "message": message})
            return
        for one in batch:
            _keep(ctx, collection, [one], tally)


def _upsert(ctx: RunContext, collection: Collection, batch: list[Incoming], tally: Tally) -> None:
    with ctx.fenced():
        done = documents.upsert(
            collection=collection,
            documents=batch,
            actor=_actor(ctx),
            duplicates=ctx.parameters["duplicates"],
        )
    tally.n_created += done.n_created
    tally.n_updated += done.n_updated
    tally.n_unchanged += done.n_unchanged
    by_id = {one.external_id: one for one in batch}
    for external_id, other in done.duplicates if ctx.parameters["duplicates"] == "skip" else ():
        message = _("Its text is that of “%(other)s”, which is kept already.") % {"other": other}
        name = by_id[external_id].source_name if external_id in by_id else external_id
        tally.skip(name, {"code": "duplicate", "params": {"other": other}, "message": message})
    for one in batch:
        tally.notes += [{"name": one.source_name, "note": note} for note in one.notes]


def _actor(ctx: RunContext) -> Actor:
    user = User.objects.filter(pk=ctx.started_by).first() if ctx.started_by else None
    return Actor.of_user(user, via=ctx.started_via) if user else Actor.system("import")


def read_report(data: bytes) -> dict[str, Any]:
    """Return a report as it was kept, its sentences in the reader's language."""
    report: dict[str, Any] = json.loads(data)
    for one in report["skipped"]:
        one["message"] = problems.stored_sentence(one) or one["message"]
    return report
