"""A retired model: no alias left, no way back, its history whole, its files gone by retention."""

from collections.abc import Callable

import pytest

from portal.core.errors import Conflict, InvalidInput
from portal.core.models import AuditEntry
from portal.registry import selectors, services
from portal.registry.models import Alias, AliasMove, ModelVersion, RegisteredModel
from tests.registry.conftest import SYSTEM

pytestmark = pytest.mark.django_db
Make = Callable[..., ModelVersion]


@pytest.fixture
def live(version: Make) -> ModelVersion:
    """Give a version that is champion and shadow."""
    made = version(is_synthetic=True)
    services.bootstrap_champion(version=made, reason="the first one", actor=SYSTEM)
    return made


def test_a_retired_model_has_no_alias_and_a_whole_history(live: ModelVersion) -> None:
    before = AliasMove.objects.count()
    retired = services.retire(model=live.model, reason="no longer made", actor=SYSTEM)
    assert retired.retired_at is not None
    assert selectors.champion(live.model.name) is None
    last = AliasMove.objects.first()
    assert last is not None
    assert (last.kind, last.from_version, last.to_version) == ("retirement", live, None)
    assert AuditEntry.objects.filter(action="model.retire").count() == 1
    services.retire(model=live.model, reason="once more", actor=SYSTEM)
    assert AliasMove.objects.count() == before + 1


def test_nothing_of_a_retired_model_goes_live_again(live: ModelVersion, version: Make) -> None:
    services.retire(model=live.model, reason="no longer made", actor=SYSTEM)
    with pytest.raises(Conflict) as refused:
        services.aliases.move(
            model=live.model,
            alias=Alias.SHADOW,
            kind=AliasMove.Kind.ASSIGNMENT,
            to=version(),
            actor=SYSTEM,
            reason="try it",
        )
    assert refused.value.specific_code == "model_retired"
    assert not selectors.current(live.model.name, Alias.SHADOW)


def test_retirement_asks_a_reason(model: RegisteredModel) -> None:
    with pytest.raises(InvalidInput):
        services.retire(model=model, reason=" ", actor=SYSTEM)


def test_the_database_lets_no_champion_go_but_by_retirement(live: ModelVersion) -> None:
    with pytest.raises(Conflict) as refused:
        services.aliases.move(
            model=live.model,
            alias=Alias.CHAMPION,
            kind=AliasMove.Kind.ROLLBACK,
            to=None,
            actor=SYSTEM,
            reason="away with it",
        )
    assert refused.value.specific_code == "move_refused"
    assert selectors.champion(live.model.name) == live
