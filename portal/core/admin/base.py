"""What the admin pages of all apps share: read-only evidence, pages of our own, confirmed acts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from portal.core.actors import Actor
from portal.core.errors import PortalError
from portal.core.grants import grants_of
from portal.core.models import User
from portal.core.request_context import current_request_id

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = [
    "Act",
    "EvidenceAdmin",
    "EvidenceInline",
    "ModelAdmin",
    "NoReasonForm",
    "OptionalReasonForm",
    "PagesMixin",
    "ReasonForm",
    "TabularInline",
    "actor_of",
    "grants_of",
    "require",
    "tell",
]

M = TypeVar("M", bound=Model)
Text = str | Promise


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as services and the audit log see them."""
    user = cast("User", request.user)
    return Actor.of_user(user, via="person", request_id=current_request_id())


def require(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless the person was granted the permission."""
    if permission not in grants_of(request):
        raise PermissionDenied


def tell(request: HttpRequest, error: PortalError) -> None:
    """Show an error of the product's as a message, with what is wrong in each field."""
    messages.error(request, str(error))
    for problem in error.problems:
        messages.error(request, f"{problem.field}: {problem.message}")


class ReasonForm(forms.Form):
    """Asks why; the answer goes to the audit log."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=2000,
        help_text=_("Kept in the audit log. Say what you know that makes this right."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class OptionalReasonForm(ReasonForm):
    """Asks why where no answer is an answer as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False


class NoReasonForm(forms.Form):
    """Asks nothing: the act explains itself."""


@dataclass(frozen=True)
class Act:
    """What a person is about to do, as the confirmation page states it.

    Attributes
    ----------
    title
        The question or heading of the page.
    effects
        What will be different afterwards, one sentence each.
    button
        The label of the button that does it.
    done
        The message once it is done.
    permission
        The explicit grant it takes; empty when the service alone can tell.
    tone
        ``"primary"`` or ``"danger"``: how the button looks.
    form
        The form that asks the reason, or more.
    """

    title: Text
    effects: Sequence[Text]
    button: Text
    done: Text
    permission: str = ""
    tone: str = "primary"
    form: type[forms.Form] = ReasonForm
    initial: dict[str, Any] = field(default_factory=dict)


class PagesMixin:
    """Pages of our own on a model admin: a frame, confirmations, messages instead of errors.

    Attributes
    ----------
    row_pages
        Names of pages under one row: ``"cancel"`` is served by ``cancel_view(request, object_id)``
        at ``<id>/cancel/`` and reversed as ``admin:<app>_<model>_cancel``.
    list_pages
        The same for pages beside the list.
    """

    row_pages: Sequence[str] = ()
    list_pages: Sequence[str] = ()

    if TYPE_CHECKING:
        admin_site: Any
        opts: Any
        model: Any

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of our own, then Django's."""
        routes = [("<path:object_id>/", name) for name in self.row_pages]
        routes += [("", name) for name in self.list_pages]
        ours = [
            path(
                f"{prefix}{name.replace('_', '-')}/",
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for prefix, name in routes
        ]
        return [*ours, *cast("ModelAdmin[Any]", super()).get_urls()]

    def url(self, name: str, *args: object) -> str:
        """Return the address of one of this admin's pages."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=args)

    def page(
        self,
        request: HttpRequest,
        template: str,
        context: dict[str, Any],
        *,
        obj: Model | None = None,
        status: int = 200,
    ) -> TemplateResponse:
        """Return one of our templates inside the admin's frame."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "original": obj}
        if obj is None:
            frame["crumb"] = context.get("title")
        everything = {**frame, "grants": grants_of(request), **context}
        return TemplateResponse(request, template, everything, status=status)

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row the person may see, or raise Http404 or PermissionDenied."""
        admin = cast("ModelAdmin[Any]", self)
        obj = admin.get_object(request, object_id)
        if not admin.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            raise Http404
        return obj

    def confirm(
        self,
        request: HttpRequest,
        act: Act,
        perform: Callable[[forms.Form], object],
        *,
        back: str,
        obj: Model | None = None,
        then: Callable[[Any], str] | None = None,
    ) -> HttpResponse:
        """Show what the act will do and ask the reason; on POST do it.

        Parameters
        ----------
        perform
            Calls one service with the valid form; what it raises as PortalError becomes a message.
        back
            Where "cancel" leads, and where the person lands when ``then`` is not given.
        then
            Turns what ``perform`` returned into the address to go to.
        """
        if act.permission:
            require(request, act.permission)
        form = act.form(request.POST if request.method == "POST" else None, initial=act.initial)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                outcome = perform(form)
            except PortalError as error:
                tell(request, error)
                status = 409
            else:
                messages.success(request, str(act.done))
                return HttpResponseRedirect(then(outcome) if then else back)
        context = {"title": act.title, "act": act, "form": form, "back": back}
        return self.page(request, "console/confirm.html", context, obj=obj, status=status)

    def attempt(
        self, request: HttpRequest, perform: Callable[[], object], *, done: Text, back: str
    ) -> HttpResponse:
        """Do something that needs no reason, on POST only, and go back with a message."""
        if request.method != "POST":
            return HttpResponseRedirect(back)
        try:
            perform()
        except PortalError as error:
            tell(request, error)
        else:
            messages.success(request, str(done))
        return HttpResponseRedirect(back)


class EvidenceAdmin(PagesMixin, ModelAdmin[M]):
    """Rows that the portal writes and people only read."""

    page_template = ""
    empty_hint: Text = ""
    actions = None
    list_fullwidth = True
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def template_of(self, obj: M) -> str:
        """Return the template of the page of one row; empty for Django's own form."""
        return self.page_template

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the page of one row shows besides the row."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.page_template:
            return super().change_view(request, object_id, form_url, extra_context)
        obj = self.find(request, object_id)
        context = {"title": str(obj), **self.page_context(request, obj), **(extra_context or {})}
        context["crumb"] = context["title"]
        return self.page(request, self.template_of(obj), context, obj=obj)


class EvidenceInline(TabularInline[Any, Any]):
    """Rows below a row, read-only."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
