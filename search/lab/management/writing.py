"""Where commands of the lab put what they wrote: the screen, a file or a folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils.translation import gettext as _

#: What a terminal can show.
READABLE = frozenset({"md", "json", "csv"})


def form_of(options: dict[str, Any], formats: tuple[str, ...]) -> str:
    """Return the format asked for, or that of the file's ending, or Markdown.

    Raises
    ------
    CommandError
        If there is no file and the format is not for a screen.
    """
    output: Path | None = options["output"]
    if options["format"]:
        form = str(options["format"])
    else:
        ending = output.suffix.lstrip(".").lower() if output else ""
        form = ending if ending in formats else "md"
    if output is None and form not in READABLE:
        raise CommandError(
            _("A report as %(format)s is not for the screen: name a file with --output.")
            % {"format": form}
        )
    return form


def put(content: bytes, name: str, output: Path | None, stream: OutputWrapper) -> None:
    """Write a report to the screen, into a file, or under its own name into a folder.

    Raises
    ------
    CommandError
        If the file cannot be written.
    """
    if output is None:
        stream.write(content.decode("utf-8-sig"))
        return
    path = output / name if output.is_dir() else output
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise CommandError(
            _("%(path)s cannot be written: %(reason)s.") % {"path": path, "reason": exc.strerror}
        ) from exc
    stream.write(_("Written to %(path)s.") % {"path": path})
