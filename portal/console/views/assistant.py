"""The quality console's assistant: a question, what documents say, the steps it took."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from portal.console.services import assistant, entering
from portal.console.views.frame import page, require_view
from portal.console.views.quality import N_RECENT, VIEW, chosen, tabs
from portal.core.errors import PortalError
from search.models import Document
from search.services import quotas

LOOK = "search.view_collection"
LONGEST = 1_000


def ask(request: HttpRequest) -> HttpResponse:
    """Answer a question about a shot or in general."""
    require_view(request, VIEW)
    require_view(request, LOOK)
    shot, problem = chosen(request)
    question = request.GET.get("q", "").strip()[:LONGEST]
    context: dict[str, Any] = {
        "title": _("Quality console"),
        "question": question,
        "longest": LONGEST,
        "wrong": problem,
        "recent": entering.recent(N_RECENT),
        "suggestions": _suggestions(shot is not None),
        **tabs("assistant", shot),
    }
    status = 200
    if question and not problem:
        try:
            quotas.spend(f"user:{request.user.pk}")
            reply = assistant.reply(question, prediction_id=shot.pk if shot else None)
        except PortalError as error:
            context["wrong"], status = str(error), error.status
        else:
            context |= {"reply": reply, "sources": _linked(reply.sources)}
    return page(request, "console/quality/assistant.html", context, status=status)


def _suggestions(has_shot: bool) -> list[str]:
    if has_shot:
        return [
            _("Why was this shot called so?"),
            _("What should I check on the machine first?"),
            _("How is such a defect avoided?"),
        ]
    return [
        _("Why do blow holes form?"),
        _("What does casting pressure do?"),
        _("How is soldering to the die avoided?"),
    ]


def _linked(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return sources with the key of their document, None for one that was removed."""
    names = [source["document"]["external_id"] for source in sources]
    rows = Document.objects.present().filter(
        collection__name=assistant.KNOWLEDGE, external_id__in=names
    )
    keys = dict(rows.values_list("external_id", "pk"))
    return [source | {"pk": keys.get(source["document"]["external_id"])} for source in sources]
