"""Graphs tuned to a recall: the form, what a run found, and giving it to a collection."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal.core.admin import sections
from portal.core.admin.base import Act, actor_of, grants_of, require
from portal.core.errors import PortalError
from portal.runs.models import Run
from search.lab import dispatch, tasks
from search.lab.admin.comparing import VERDICTS
from search.lab.engine.analysis.comparing import SLOWER
from search.lab.engine.matrix import (
    MAX_DIMENSION,
    MAX_RECALL,
    MAX_SCALE,
    MIN_DIMENSION,
    MIN_RECALL,
    MIN_SCALE,
)
from search.models import Collection

if TYPE_CHECKING:
    from portal.core.admin.base import PagesMixin
    from search.lab.services.tuning import Wish
else:
    PagesMixin = object

ADD = "lab.add_campaign"
BUILD, CONFIGURE = "search.build_index", "search.change_collection"
#: Engines with a graph to tune, that of the portal's own search first; a test holds them together.
TUNED = ("millwright", "hnswlib", "faiss-hnsw-sq8")
N_RUNS = 20


def _collections(empty: Any = None) -> list[tuple[str, Any]]:
    names = Collection.objects.order_by("name").values_list("name", flat=True)
    return [*([("", empty)] if empty else []), *((name, name) for name in names)]


class TuningForm(forms.Form):
    """Which graph, for which recall, on which passages."""

    engine = forms.ChoiceField(
        label=_("Engine"),
        choices=[(name, name) for name in TUNED],
        help_text=_("Only a graph of millwright can be given to a collection."),
        widget=UnfoldAdminSelectWidget,
    )
    recall = forms.FloatField(
        label=_("Least recall@10"),
        initial=0.95,
        min_value=MIN_RECALL,
        max_value=MAX_RECALL,
        help_text=_("The lower end of its 95 % interval has to reach it."),
        widget=UnfoldAdminTextInputWidget,
    )
    trials = forms.IntegerField(
        label=_("Graphs to build"), initial=20, widget=UnfoldAdminIntegerFieldWidget
    )
    scale = forms.IntegerField(
        label=_("Generated passages"),
        initial=10_000,
        min_value=MIN_SCALE,
        max_value=MAX_SCALE,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    dimension = forms.IntegerField(
        label=_("Length of the vectors"),
        initial=256,
        min_value=MIN_DIMENSION,
        max_value=MAX_DIMENSION,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    seed = forms.IntegerField(
        label=_("Seed"), initial=0, min_value=0, widget=UnfoldAdminIntegerFieldWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["collection"] = forms.ChoiceField(
            label=_("Passages"),
            choices=_collections(_("Generated Korean about manufacturing")),
            required=False,
            help_text=_("A collection has a size of its own."),
            widget=UnfoldAdminSelectWidget,
        )
        self.order_fields(("engine", "recall", "collection", "scale", "dimension", "trials"))

    @property
    def wish(self) -> "Wish":
        """What is asked for, once the form is valid."""
        from search.lab.services.tuning import Wish  # noqa: PLC0415 - it loads Optuna

        given = dict(self.cleaned_data)
        return Wish(n_trials=given.pop("trials"), **given)


class CollectionChoice(forms.Form):
    """Whose next index is built."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["collection"] = forms.ChoiceField(
            label=_("Collection"), choices=_collections(), widget=UnfoldAdminSelectWidget
        )


class TuningPages(PagesMixin):
    """Pages beside the list of campaigns."""

    def tune_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which graph to tune and start it; show what was tuned before."""
        require(request, ADD)
        form = TuningForm(request.POST or None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                run = dispatch.tune(wish=form.wish, actor=actor_of(request))
            except PortalError as error:
                named = [one.field for one in error.problems if one.field in form.fields]
                form.add_error(named[0] if named else None, str(error))
                status = error.status
            else:
                return HttpResponseRedirect(_page_of(run))
        elif form.is_bound:
            status = 422
        runs = Run.objects.filter(kind=tasks.TUNE).select_related("started_by")
        context = {
            "title": _("Tune a graph to a recall"),
            "form": form,
            "runs": runs.order_by("-created_at")[:N_RUNS],
            "back": self.url("changelist"),
        }
        return self.page(request, "search/lab/tune.html", context, status=status)

    def apply_view(self, request: HttpRequest) -> HttpResponse:
        """Say what building with a tuned graph does, then start the build."""
        require(request, BUILD)
        require(request, CONFIGURE)
        try:
            run = dispatch.tuned(UUID(request.GET.get("run", "")))
        except (ValueError, PortalError) as error:
            raise Http404(str(error)) from error
        act = Act(
            title=_("Build an index with this graph?"),
            effects=[
                _("The graph is written into the build options of the collection."),
                _("Its next index is built with it and judged at the gate."),
                _(
                    "It is built in another way than the live one: it goes live once a second "
                    "person has approved it."
                ),
            ],
            button=_("Build the index"),
            done=_("The build is queued."),
            permission=BUILD,
            form=CollectionChoice,
            initial={"collection": run.parameters.get("collection", "")},
        )
        return self.confirm(
            request,
            act,
            lambda form: dispatch.apply(
                result=run.result,
                collection=form.cleaned_data["collection"],
                actor=actor_of(request),
            ),
            back=_page_of(run),
            then=_page_of,
        )


def tuned_section(request: HttpRequest, run: Run) -> SafeString | str:
    """Show on the page of a run what it found."""
    if run.kind != tasks.TUNE or "duel" not in run.result:
        return ""
    result = run.result
    grants = grants_of(request)
    text, tone = VERDICTS[result["duel"]["verdict"]]
    context = {
        "run": run,
        "result": result,
        "duel": result["duel"],
        "verdict": text,
        "defaults_suffice": result["duel"]["verdict"] == SLOWER
        and result["duel"]["default_recall"]["low"] >= result["recall"],
        "tone": tone,
        "trials": [
            {"number": number, "is_best": _is_best(one, result), **one}
            for number, one in enumerate(result["trials"], 1)
        ],
        "may_apply": result["reached"] and "build" in result["options"],
        "is_granted": {BUILD, CONFIGURE} <= grants,
    }
    return render_to_string("search/lab/_tuned.html", context, request)


def _is_best(one: dict[str, Any], result: dict[str, Any]) -> bool:
    found = result["parameters"]
    return one["p50_ms"] is not None and all(
        found.get(name) == value for name, value in one["parameters"].items()
    )


def _page_of(run: Run) -> str:
    return reverse("admin:runs_run_change", args=[run.pk])


sections.register(sections.RUN, tuned_section)
