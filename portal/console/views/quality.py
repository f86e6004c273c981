"""The quality console: predict a shot, see why, ask about it, look back."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.console.engine import dials, pasting
from portal.console.services import entering, shots
from portal.console.views.frame import page, require_view
from portal.core.admin.base import require
from portal.core.errors import InvalidInput, NotFound, PortalError
from portal.core.request_context import current_request_id
from predictions.engine.signature import Signature
from predictions.models import Prediction
from predictions.services import lookup, reasons, serving
from predictions.services.serving import Held

VIEW = "predictions.view_prediction"
N_RECENT = 8
#: A file to fill a form from; more is for a batch.
LARGEST_FILE = 2 * 1024 * 1024


def tabs(current: str, shot: Prediction | None = None) -> dict[str, Any]:
    """Return what the tab bar needs; the shot stays chosen from tab to tab."""
    return {"tab": current, "shot": shot}


def chosen(request: HttpRequest) -> tuple[Prediction | None, str]:
    """Return the shot that the address names, or the sentence that says why there is none."""
    given = request.GET.get("shot", "").strip()
    if not given:
        return None, ""
    try:
        return lookup.find(UUID(given)), ""
    except ValueError:
        return None, _("“%(seen)s” is no identifier of a prediction.") % {"seen": given[:60]}
    except PortalError as error:
        return None, str(error)


# --- Predict --------------------------------------------------------------------------------------
def predict(request: HttpRequest) -> HttpResponse:
    """Show the champion's form; filled and sent, record the answer and show it beside the form."""
    require_view(request, VIEW)
    try:
        held = serving.quality.get()
    except PortalError as error:
        context = {"title": _("Quality console"), "problem": error, **tabs("predict")}
        return page(request, "console/quality/predict.html", context)
    if request.method == "POST":
        return _posted(request, held)
    shot, problem = chosen(request)
    typed = entering.texts_of(shot.features) if shot else {}
    notes: list[str] = []
    if "example" in request.GET:
        typed, problem = _example()
    return _form(request, held, typed, shot=shot, wrong=[problem] if problem else [], notes=notes)


def _posted(request: HttpRequest, held: Held) -> HttpResponse:
    require(request, VIEW)
    signature = held.model.signature
    if "fill" in request.POST:
        return _filled(request, held)
    typed = {name: request.POST.get(f"{entering.PREFIX}{name}", "") for name in signature.names}
    instance = entering.instance_of(signature, typed)
    problems = entering.check(signature, instance)
    if problems:
        return _form(request, held, typed, problems=problems, status=InvalidInput.status)
    try:
        answers = entering.ask(
            instance, user_id=int(request.user.pk or 0), request_id=current_request_id()
        )
    except PortalError as error:
        wrong = [] if error.problems else [str(error)]
        return _form(
            request, held, typed, problems=error.problems, wrong=wrong, status=error.status
        )
    address = reverse("console:predict")
    return HttpResponseRedirect(f"{address}?shot={answers.answers[0].prediction_id}#result")


def _filled(request: HttpRequest, held: Held) -> HttpResponse:
    """Fill the form from what was pasted or from a row of a file, and show it unsent."""
    pasted = request.POST.get("pasted", "")
    try:
        text = _file_text(request) or pasted
        found = pasting.read(text, held.model.signature.names)
        row = _row_number(request, len(found.rows))
    except pasting.Unreadable as exc:
        wrong = [_(str(exc))]
        return _form(request, held, {}, wrong=wrong, pasted=pasted, status=InvalidInput.status)
    except InvalidInput as error:
        return _form(request, held, {}, wrong=[str(error)], pasted=pasted, status=error.status)
    typed = found.rows[row]
    signature = held.model.signature
    notes = [
        _("Row %(row)d of %(count)d is filled in. Look at it, then have it predicted.")
        % {"row": row + 1, "count": len(found.rows)}
    ]
    if found.unknown:
        notes.append(
            _("Left out, because the model takes no such feature: %(names)s.")
            % {"names": ", ".join(found.unknown[:12])}
        )
    problems = entering.check(signature, entering.instance_of(signature, typed))
    return _form(request, held, typed, problems=problems, notes=notes)


def _file_text(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is None:
        return ""
    if (file.size or 0) > LARGEST_FILE:
        raise InvalidInput(
            _("The file is larger than 2 MiB: import it as a data set and predict it whole.")
        )
    data: bytes = file.read()
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput(_("The file is no text: choose a CSV file in UTF-8 or CP949."))


def _row_number(request: HttpRequest, n_rows: int) -> int:
    given = request.POST.get("row", "").strip() or "1"
    if given.isascii() and given.isdecimal() and 1 <= int(given) <= n_rows:
        return int(given) - 1
    raise InvalidInput(
        _("The row is “%(seen)s”: give a number from 1 to %(count)d.")
        % {"seen": given[:20], "count": n_rows}
    )


def _example() -> tuple[dict[str, str], str]:
    from predictions.services import examples  # noqa: PLC0415 - scipy and pyarrow are large

    try:
        return entering.texts_of(examples.shot()), ""
    except PortalError as error:
        return {}, str(error)


def _form(
    request: HttpRequest,
    held: Held,
    typed: dict[str, str],
    *,
    shot: Prediction | None = None,
    problems: Any = (),
    wrong: list[str] | None = None,
    notes: list[str] | None = None,
    pasted: str = "",
    status: int = 200,
) -> HttpResponse:
    signature: Signature = held.model.signature
    context = {
        "title": _("Quality console"),
        "held": held,
        "groups": entering.groups(signature, typed, problems),
        "n_problems": len({one.field for one in problems}),
        "wrong": [*(wrong or []), *entering.elsewhere(signature, problems)],
        "notes": notes or [],
        "pasted": pasted,
        "recent": entering.recent(N_RECENT),
        **tabs("predict", shot),
        **(_answer(shot) if shot else {}),
    }
    return page(request, "console/quality/predict.html", context, status=status)


def _answer(shot: Prediction) -> dict[str, Any]:
    """Return what the answer's card shows: gauge and profile."""
    threshold = shots.threshold_of(shot.version)
    shown: dict[str, Any] = {
        "threshold": threshold,
        "gauge": dials.gauge(shot.probability, threshold if threshold is not None else 0.5),
    }
    try:
        return shown | {"profile": shots.profile(shot)}
    except PortalError as error:
        return shown | {"no_profile": str(error)}


# --- Analysis -------------------------------------------------------------------------------------
def analysis(request: HttpRequest) -> HttpResponse:
    """Say of one shot why it was called what it was, and what would have to be different."""
    require_view(request, VIEW)
    shot, problem = chosen(request)
    recent = entering.recent(N_RECENT)
    if shot is None and not problem and recent:
        shot = recent[0]
    context: dict[str, Any] = {
        "title": _("Quality console"),
        "wrong": problem,
        "recent": recent,
        **tabs("analysis", shot),
    }
    if shot is not None:
        context |= {"prediction": shot, **reasons.of(shot)}
    status = NotFound.status if problem else 200
    return page(request, "console/quality/analysis.html", context, status=status)
