"""What people are asked about searching."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from search.engine.tokenizers import BIGRAM, KIWI
from search.models import Collection

MODES = (
    ("hybrid", _("words and meaning")),
    ("lexical", _("words only")),
    ("vector", _("meaning only")),
)
TOKENIZER_CHOICES = (
    (BIGRAM, _("by pairs of syllables: builds fast, finds words without spaces")),
    (KIWI, _("by morphemes and pairs of syllables: finds a little more, builds far slower")),
)
N_HITS = 10
MOST_HITS = 100
#: Files of one upload; more go by the command.
MOST_FILES = 50
#: Endings that the readers know.
KINDS = ".md,.markdown,.txt,.html,.htm,.pdf,.docx,.csv"


class SearchForm(forms.Form):
    """A query, and where it is asked. Whatever is left out has a default."""

    collection = forms.ChoiceField(label=_("Collection"), required=False)
    q = forms.CharField(label=_("Query"), required=False)
    mode = forms.ChoiceField(label=_("Way to search"), choices=MODES, required=False)
    path = forms.CharField(required=False, max_length=500)
    kind = forms.CharField(required=False, max_length=100)
    since = forms.DateField(label=_("From date"), required=False)
    until = forms.DateField(label=_("Until date"), required=False)
    k = forms.IntegerField(required=False, min_value=1, max_value=MOST_HITS)

    def __init__(self, data: Any, collections: Sequence[Collection]) -> None:
        super().__init__(data)
        choice = self.fields["collection"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101 - as declared above
        choice.choices = [(one.name, one.title) for one in collections]

    def clean_mode(self) -> str:
        return str(self.cleaned_data["mode"] or MODES[0][0])

    def clean_k(self) -> int:
        return self.cleaned_data["k"] or N_HITS

    @property
    def filters(self) -> dict[str, Any]:
        """What hits must be, as the engine takes it; the form is valid."""
        given = self.cleaned_data
        bounds = {"gte": given["since"], "lte": given["until"]}
        dates = {sign: day.isoformat() for sign, day in bounds.items() if day}
        wanted = {"taxonomy": given["path"], "content_type": given["kind"], "date": dates}
        return {field: value for field, value in wanted.items() if value}


def _tokenizer_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("How Korean words are taken apart"),
        choices=TOKENIZER_CHOICES,
        required=False,
        help_text=_("Counts from the next build on; a version built otherwise needs an approval."),
        widget=UnfoldAdminSelectWidget,
    )


class CollectionForm(forms.Form):
    """A new collection."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("For addresses and programs: lower-case letters, digits, hyphens. Stays."),
        widget=UnfoldAdminTextInputWidget(attrs={"pattern": "[a-z0-9]+(-[a-z0-9]+)*"}),
    )
    title = forms.CharField(
        label=_("Title"),
        max_length=200,
        help_text=_("What people call it."),
        widget=UnfoldAdminTextInputWidget,
    )
    description = forms.CharField(
        label=_("What it holds"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    tokenizer = _tokenizer_field()


class CollectionSettingsForm(forms.Form):
    """What of a collection may change."""

    title = forms.CharField(label=_("Title"), max_length=200, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(
        label=_("What it holds"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    rebuild_percent = forms.IntegerField(
        label=_("Rebuild once so many percent of the documents changed"),
        min_value=1,
        max_value=100,
        help_text=_("Changes are searchable at once either way; a rebuild makes them fast."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    tokenizer = _tokenizer_field()


class FilesInput(forms.ClearableFileInput):
    """Takes several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One file or several, always as a list."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        """Check each file."""
        given = data if isinstance(data, list | tuple) else [data]
        files = [super(FilesField, self).clean(one, initial) for one in given if one]
        if not files:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        if len(files) > MOST_FILES:
            message = _(
                "%(seen)d files were chosen: send at most %(most)d at once, or import the folder "
                "with the command import_documents."
            )
            raise forms.ValidationError(
                message, code="too_many", params={"seen": len(files), "most": MOST_FILES}
            )
        return files


class UploadForm(forms.Form):
    """Files of documents."""

    sent = FilesField(
        label=_("Files"),
        help_text=_("Markdown, text, HTML, PDF, Word (DOCX) or CSV; several at once."),
        widget=FilesInput(attrs={"accept": KINDS}),
    )
    taxonomy = forms.CharField(
        label=_("Place in the taxonomy"),
        required=False,
        max_length=500,
        help_text=_(
            "A path such as 공정/다이캐스팅/기공; empty for what the files say themselves."
        ),
        widget=UnfoldAdminTextInputWidget,
    )
    keep_duplicates = forms.BooleanField(
        label=_("Keep a file even if its text is there under another name"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )


class JudgedListForm(forms.Form):
    """A list of judged queries."""

    collection = forms.ModelChoiceField(
        label=_("Collection"),
        queryset=Collection.objects.order_by("name"),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )
    file = forms.FileField(
        label=_("File"),
        help_text=_('JSON: [{"query": "…", "gains": {"document id": 3}}, …]'),
        widget=forms.ClearableFileInput(attrs={"accept": ".json"}),
    )
