"""What the engine says of its progress, in the language of whoever runs the work."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from predictions.engine.progress import Said

#: The engine names its phases in English; runs keep these names.
PHASES: Mapping[str, Any] = {
    "read": _l("read"),
    "evaluate": _l("judge"),
    "fit": _l("fit"),
    "refit": _l("fit on everything"),
    "calibrate": _l("calibrate"),
    "encode": _l("encode"),
    "compare": _l("compare"),
    "cell": _l("cell"),
    "report": _l("report"),
    "export": _l("export"),
    "done": _l("done"),
    "score": _l("score"),
    "write": _l("write"),
    "selftest": _l("self-test"),
    # Those of the lab and of studies.
    "corpus": _l("make passages"),
    "probe": _l("measure the disk"),
    "reference": _l("exact search"),
    "build": _l("build"),
    "measure": _l("measure"),
    "tune": _l("tune"),
    "load": _l("load"),
    "preload": _l("load"),
    "drain": _l("settle"),
    "baseline": _l("options in use"),
    "search": _l("search"),
    "finalist": _l("finalists"),
    "proof_current": _l("proof"),
    "proof_candidate": _l("proof"),
}


def phase_name(phase: str) -> str:
    """Return what people call a phase; any other stays as the work said it."""
    return str(PHASES.get(phase, phase))


def in_words(message: str) -> str:
    """Return what the engine said in the current language; any other text stays as it is."""
    if not isinstance(message, Said):
        return message
    values = {
        name: in_words(value) if isinstance(value, str) else value
        for name, value in message.values.items()
    }
    return _(message.template).format(**values)
