"""What a retraining is asked for, as the parameters of its run say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput
from predictions.services.models import MODEL_NAME

#: The latest so many shots, or decisions, are learnt at most.
MAX_ROWS = 100_000

_JSON_NAMES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    dict: "object",
}
_KINDS: Mapping[str, type] = {
    "model": str,
    "reason": str,
    "params": dict,
    "max_rows": int,
    "min_new": int,
    "force": bool,
    "evidence": dict,
}


@dataclass(frozen=True)
class Wish:
    """What a retraining was asked for.

    Attributes
    ----------
    model_name
        Which model.
    reason
        Why, in the asker's words.
    params
        Training parameters; those absent are the champion's.
    max_rows
        The latest so many labelled shots, or decided routings, are learnt.
    min_new
        With fewer new ones nothing is trained; None for the setting.
    force
        Train although nothing, or too little, is new.
    evidence
        What a monitor saw, for the record.
    """

    model_name: str
    reason: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    max_rows: int = MAX_ROWS
    min_new: int | None = None
    force: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Wish":
        """Return what the parameters of a run, or of a schedule, ask for.

        Raises
        ------
        InvalidInput
            For a parameter that is unknown or of the wrong type.
        """
        strange = sorted(set(parameters) - set(_KINDS))
        if strange:
            raise InvalidInput(
                _("There is no parameter “%(seen)s”; a retraining takes %(known)s.")
                % {"seen": strange[0], "known": ", ".join(_KINDS)}
            )
        given = dict(parameters)
        for name, kind in _KINDS.items():
            value = given.get(name)
            if value is not None and type(value) is not kind:
                raise InvalidInput(
                    _("%(name)s is “%(seen)s”; it must be of the type %(kind)s.")
                    % {"name": name, "seen": str(value)[:80], "kind": _JSON_NAMES[kind]}
                )
        if not 1 <= given.get("max_rows", MAX_ROWS) <= MAX_ROWS:
            raise InvalidInput(
                _("max_rows is %(seen)d; it must lie from 1 to %(most)d.")
                % {"seen": given["max_rows"], "most": MAX_ROWS}
            )
        return cls(model_name=given.pop("model", MODEL_NAME), **given)
