"""Who may look at what belongs to a prediction."""

from portal.core.api.permissions import EitherScope
from predictions.api.shapes import VIEW


class MayLook(EitherScope):
    """Let through keys that read and keys that predict: who got the answer may see its picture."""

    scope_name = "read"
    other_scope_name = "predict"
    permission = VIEW
