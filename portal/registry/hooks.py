"""What apps have to say when a champion moves: may it, and what follows from it.

An app fills this from ``AppConfig.ready`` for the families it owns. Both are called under the
model's lock, in the transaction of the move.
"""

from collections.abc import Callable

from portal.registry.models import AliasMove, ModelVersion

Veto = Callable[[ModelVersion], None]
Follow = Callable[[AliasMove], None]

#: What an apply is; a rollback and break-glass are ways out and are refused by nobody.
APPLIES = (AliasMove.Kind.PROMOTION, AliasMove.Kind.AUTOMATIC)

_vetoes: dict[str, Veto] = {}
_followers: dict[str, Follow] = {}


def register(family: str, *, veto: Veto, follow: Follow) -> None:
    """Let an app speak for the models of a family.

    Parameters
    ----------
    family
        Name of the family.
    veto
        Raises a ``PortalError`` with the reason when a version may not be applied now.
    follow
        Called with each line of history of the champion, once it is written.
    """
    _vetoes[family] = veto
    _followers[family] = follow


def check(version: ModelVersion, kind: AliasMove.Kind) -> None:
    """Ask the app that speaks for a version's family whether it may be applied now."""
    veto = _vetoes.get(version.model.family)
    if veto is not None and kind in APPLIES:
        veto(version)


def tell(row: AliasMove) -> None:
    """Tell the app that speaks for the model's family that the champion moved."""
    follow = _followers.get(row.model.family)
    if follow is not None:
        follow(row)
