"""How much of a file is read, so that no upload can exhaust a worker."""

from dataclasses import dataclass

from search.engine.documents import Writer
from search.engine.problems import ReadingError


@dataclass(frozen=True)
class Limits:
    """Bounds of one file; ours, some ten times the largest manual we have seen.

    Attributes
    ----------
    max_bytes : int
        Of the file.
    max_unpacked_bytes, max_ratio, max_entries : int
        Of a DOCX: all parts together, one part over its packed size, number of parts.
    max_chars : int
        Of the text.
    max_pages, max_rows : int
        Of a PDF and of a CSV.
    """

    max_bytes: int = 64 << 20
    max_unpacked_bytes: int = 256 << 20
    max_ratio: int = 200
    max_entries: int = 5_000
    max_chars: int = 20_000_000
    max_pages: int = 5_000
    max_rows: int = 200_000

    def check_chars(self, name: str, writer: Writer) -> None:
        """Refuse a document that has grown too long.

        Raises
        ------
        ReadingError
        """
        if writer.n_chars > self.max_chars:
            raise ReadingError("too_long", name=name, limit=self.max_chars, unit="characters")


def megabytes(size_bytes: int) -> str:
    """Return a size as a message shows it."""
    return f"{size_bytes / (1 << 20):.0f} MB"
