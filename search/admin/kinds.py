"""What the kinds of documents are called: those of the readers and of the knowledge base."""

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

_NAMES: dict[str, Promise] = {
    "markdown": pgettext_lazy("kind of document", "Markdown"),
    "text": pgettext_lazy("kind of document", "Text"),
    "html": pgettext_lazy("kind of document", "Web page"),
    "pdf": pgettext_lazy("kind of document", "PDF"),
    "docx": pgettext_lazy("kind of document", "Word"),
    "csv": pgettext_lazy("kind of document", "Table"),
    "defect": pgettext_lazy("kind of document", "Defect"),
    "parameter": pgettext_lazy("kind of document", "Parameter"),
    "process": pgettext_lazy("kind of document", "Process"),
    "machine": pgettext_lazy("kind of document", "Machine"),
    "mold": pgettext_lazy("kind of document", "Mold"),
    "inspection": pgettext_lazy("kind of document", "Inspection"),
    "safety": pgettext_lazy("kind of document", "Safety"),
    "practice": pgettext_lazy("kind of document", "Practice"),
}


def name_of(kind: str) -> str:
    """Return what people call a kind; one that somebody else thought of is its own name."""
    return str(_NAMES.get(kind, kind))
