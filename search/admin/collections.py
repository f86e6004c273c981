"""Collections in the admin: their indexes, their quality, files that come in."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    NoReasonForm,
    OptionalReasonForm,
    actor_of,
    grants_of,
    require,
)
from portal.core.errors import PortalError
from portal.registry.models import RegisteredModel
from portal.runs.models import Run
from search import dispatch, selectors, tasks
from search.admin.forms import CollectionForm, CollectionSettingsForm, UploadForm
from search.admin.searching import SearchPages
from search.engine.tokenizers import BIGRAM
from search.models import Collection
from search.services import collections, removal
from search.services.problems import stored_sentence

DELETE = "search.delete_collection"
IMPORT, BUILD = "search.import_document", "search.build_index"
ADD, CHANGE = "search.add_collection", "search.change_collection"
N_VERSIONS = 20
N_RUNS = 8
N_CHECKS = 30
KINDS = (selectors.BUILD_INDEX, tasks.EVALUATE, tasks.TUNE)


@admin.register(Collection)
class CollectionAdmin(SearchPages, EvidenceAdmin[Collection]):
    page_template = "search/collection.html"
    list_before_template = "search/_links.html"
    empty_hint = _("Make a collection, send documents to it, and ask.")
    list_pages = ("search", "answer", "click")
    row_pages = ("build", "upload", "settings", "evaluate", "tune", "remove")
    list_display = ("name", "called", "n_documents", "n_passages", "live", "built")
    search_fields = ("name", "title")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ADD in grants_of(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        """Read the state of all collections once for the whole list."""
        self._states = {one.name: one for one in selectors.overview()}
        return super().get_queryset(request)

    def _state(self, obj: Collection) -> Any:
        return self._states.get(obj.name)

    @admin.display(description=_("title"), ordering="title")
    def called(self, obj: Collection) -> str:
        return _g(obj.title) if obj.title else ""

    @admin.display(description=_("documents"))
    def n_documents(self, obj: Collection) -> str:
        state = self._state(obj)
        return formats.number(state.n_documents if state else None)

    @admin.display(description=_("passages"))
    def n_passages(self, obj: Collection) -> str:
        state = self._state(obj)
        return formats.number(state.n_passages if state else None)

    @admin.display(description=_("live index"))
    def live(self, obj: Collection) -> str:
        state = self._state(obj)
        if state is None or state.version is None:
            return formats.badge(_("none"), "warn")
        return _g("version %(number)d") % {"number": state.version.number}

    @admin.display(description=_("built"))
    def built(self, obj: Collection) -> str:
        state = self._state(obj)
        return formats.moment(state.built_at if state else None)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        grants = grants_of(request)
        checks = list(selectors.quality_over_time(obj)[:N_CHECKS])
        runs = Run.objects.filter(parameters__collection=obj.name).select_related("started_by")
        return {
            "title": obj.title,
            "collection": obj,
            "state": selectors.of(obj),
            "versions": selectors.versions(obj)[:N_VERSIONS],
            "model": RegisteredModel.objects.filter(name=obj.model_name).first(),
            "checks": checks,
            "course": [check.ndcg_at_10 for check in reversed(checks)],
            "builds": runs.filter(kind__in=KINDS).order_by("-created_at")[:N_RUNS],
            "imports": [
                {"run": run, "skipped": _skipped(run)}
                for run in runs.filter(kind=tasks.IMPORT_DOCUMENTS).order_by("-created_at")[:N_RUNS]
            ],
            "n_judged": obj.judged_queries.count(),
            "may_build": BUILD in grants,
            "may_import": IMPORT in grants,
            "may_change": CHANGE in grants,
            "may_delete": DELETE in grants,
        }

    # --- Making and changing ----------------------------------------------------------------------
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make an empty collection and show it."""
        require(request, ADD)
        form = CollectionForm(request.POST or None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                given = dict(form.cleaned_data)
                options = _options_with({}, given.pop("tokenizer"))
                made = collections.create(**given, options=options, actor=actor_of(request))
            except PortalError as error:
                form.add_error(_field(error, form), str(error))
                status = error.status
            else:
                self.message_user(request, _("The collection is made. Send documents to it."))
                return HttpResponseRedirect(self.url("change", made.pk))
        context = {"title": _("Make a collection"), "form": form, "back": self.url("changelist")}
        return self.page(request, "search/collection_new.html", context, status=status)

    def settings_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change what may change of a collection."""
        require(request, CHANGE)
        obj = self.find(request, object_id)
        initial = {
            "title": obj.title,
            "description": obj.description,
            "rebuild_percent": round(100 * obj.rebuild_share),
            "tokenizer": obj.options.get("build", {}).get("tokenizer", BIGRAM),
        }
        form = CollectionSettingsForm(request.POST or None, initial=initial)
        status = 200
        if form.is_bound and form.is_valid():
            given = form.cleaned_data
            try:
                collections.configure(
                    collection=obj,
                    title=given["title"],
                    description=given["description"],
                    rebuild_share=given["rebuild_percent"] / 100,
                    options=_options_with(obj.options, given["tokenizer"]),
                    actor=actor_of(request),
                )
            except PortalError as error:
                form.add_error(_field(error, form), str(error))
                status = error.status
            else:
                self.message_user(request, _("The collection is changed."))
                return HttpResponseRedirect(self.url("change", obj.pk))
        context = {
            "title": _("Change the collection"),
            "form": form,
            "back": self.url("change", obj.pk),
        }
        return self.page(request, "search/collection_new.html", context, obj=obj, status=status)

    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what goes with the collection, ask the reason, then delete it."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Delete this collection?"),
            effects=_effects(removal.held(obj)),
            button=_("Delete"),
            done=_("The collection is deleted."),
            permission=DELETE,
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: removal.delete(
                collection=obj, actor=actor_of(request), reason=form.cleaned_data["reason"]
            ),
            back=self.url("change", obj.pk),
            obj=obj,
            then=lambda _held: self.url("changelist"),
        )

    # --- Files ------------------------------------------------------------------------------------
    def upload_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take files, start reading each and show how it goes."""
        require(request, IMPORT)
        obj = self.find(request, object_id)
        form = UploadForm(request.POST or None, request.FILES or None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                runs = [
                    self._import(request, obj, file, form) for file in form.cleaned_data["sent"]
                ]
            except PortalError as error:
                form.add_error("sent", str(error))
                status = error.status
            else:
                if len(runs) == 1:
                    return HttpResponseRedirect(reverse("admin:runs_run_change", args=[runs[0].pk]))
                self.message_user(
                    request, _("%(count)d files are being read.") % {"count": len(runs)}
                )
                return HttpResponseRedirect(f"{self.url('change', obj.pk)}#imports")
        elif form.is_bound:
            status = 422
        context = {
            "title": _("Add documents"),
            "collection": obj,
            "form": form,
            "back": self.url("change", obj.pk),
        }
        return self.page(request, "search/upload.html", context, obj=obj, status=status)

    def _import(self, request: HttpRequest, obj: Collection, file: Any, form: forms.Form) -> Run:
        return dispatch.import_file(
            collection=obj,
            content=file.file,
            name=file.name,
            actor=actor_of(request),
            taxonomy=form.cleaned_data["taxonomy"],
            duplicates="keep" if form.cleaned_data["keep_duplicates"] else "skip",
        )

    # --- Runs -------------------------------------------------------------------------------------
    def build_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then build a new index version."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Build a new index version?"),
            effects=[
                _("A worker cuts all documents into passages and indexes them."),
                _("Searches go on with the present version until the new one is checked."),
                _("A version that answers the judged queries worse waits for an approval."),
            ],
            button=_("Build now"),
            done=_("The build is queued."),
            permission=BUILD,
            form=OptionalReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: dispatch.build_index(
                collection=obj, actor=actor_of(request), reason=form.cleaned_data["reason"]
            ),
            back=self.url("change", obj.pk),
            obj=obj,
            then=_page_of,
        )

    def evaluate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then have the live index answer the judged queries."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Check how well the live index answers?"),
            effects=[
                _("A worker asks every judged query and compares the hits with the judgements.")
            ],
            button=_("Check relevance"),
            done=_("The check is queued."),
            permission=BUILD,
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: dispatch.evaluate(collection=obj, actor=actor_of(request)),
            back=self.url("change", obj.pk),
            obj=obj,
            then=_page_of,
        )

    def tune_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then look for a better weight of meaning beside words."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Look for better search weights?"),
            effects=[
                _("A worker tries other weights of meaning beside words on the judged queries."),
                _("The choice is judged on queries it was not made by."),
                _("Weights that prove better are used from then on; others change nothing."),
            ],
            button=_("Tune"),
            done=_("The tuning is queued."),
            permission=BUILD,
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: dispatch.tune(collection=obj, actor=actor_of(request), adopt=True),
            back=self.url("change", obj.pk),
            obj=obj,
            then=_page_of,
        )


def _options_with(options: Mapping[str, Any], tokenizer: str) -> dict[str, Any]:
    """Return build options with another tokenizer; the default one is not written down."""
    build = dict(options.get("build", {}))
    if tokenizer:
        build["tokenizer"] = tokenizer
    if build.get("tokenizer") == BIGRAM:
        del build["tokenizer"]
    others = {name: value for name, value in options.items() if name != "build"}
    return others | ({"build": build} if build else {})


def _effects(held: removal.Held) -> list[Any]:
    return [
        ngettext(
            "%(n)s document is removed and found no more.",
            "%(n)s documents are removed and found no more.",
            held.n_documents,
        )
        % {"n": formats.number(held.n_documents)},
        _g("Judged queries that are removed: %(judged)s. Queries of the log: %(searches)s.")
        % {
            "judged": formats.number(held.n_judged),
            "searches": formats.number(held.n_searches),
        },
        _g(
            "Index versions that are live no more: %(n)s. "
            "Their files are removed after %(days)d days."
        )
        % {"n": formats.number(held.n_versions), "days": settings.INDEX_RETENTION_DAYS},
        _("Their history stays in the registry, and the deletion in the audit log."),
        _("The name may be used again for another collection."),
    ]


def _skipped(run: Run) -> list[dict[str, str]]:
    """Return the files that an import left out, each with its reason in the reader's language."""
    return [
        {"name": one.get("name", ""), "reason": stored_sentence(one) or one.get("message", "")}
        for one in (run.result or {}).get("skipped", ())
    ]


def _page_of(run: Run) -> str:
    return reverse("admin:runs_run_change", args=[run.pk])


def _field(error: PortalError, form: forms.Form) -> str | None:
    """Return the field of a form that an error is about, None for the whole form."""
    named = [problem.field for problem in error.problems if problem.field in form.fields]
    return named[0] if named else None
