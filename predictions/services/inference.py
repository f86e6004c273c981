"""Which models the open inference protocol v2 serves: each family brings its adapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput, NotFound
from portal.registry.models import RegisteredModel
from predictions.services.answering import Caller
from predictions.services.tensors import InferenceAnswer, InferenceRequest


@dataclass(frozen=True)
class TensorKind:
    """What a model takes or gives under one name; -1 in the shape is any number."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the description for JSON."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Description:
    """A model, as a client asks for it.

    Attributes
    ----------
    versions
        The numbers that can be asked for.
    platform
        What runs it.
    inputs, outputs
        Tensors.
    parameters
        Whatever else a client needs, by name: texts, numbers, truths.
    """

    versions: tuple[int, ...]
    platform: str
    inputs: tuple[TensorKind, ...]
    outputs: tuple[TensorKind, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """How the models of one family answer tensors; one for all models of the family."""

    family: str

    def is_ready(self, model_name: str, version: int | None) -> bool:
        """Whether the version, or the one that answers by default, would answer now."""
        ...

    def served(self) -> tuple[str, ...]:
        """Return the models that this process serves, for the readiness of the server."""
        ...

    def describe(self, model_name: str, version: int | None) -> Description:
        """Describe a version, or the one that answers by default.

        Raises ``NotFound``, ``Conflict`` or ``Unavailable`` when there is no such version, it is
        not live, or there is none.
        """
        ...

    def infer(
        self, model_name: str, version: int | None, request: InferenceRequest, caller: Caller
    ) -> InferenceAnswer:
        """Answer a request; raises as :meth:`describe`, and ``InvalidInput`` for what it holds."""
        ...


_adapters: dict[str, Adapter] = {}
_family_of: dict[str, str] = {}


def register(adapter: Adapter) -> None:
    """Make a family's adapter known; apps call this from ``AppConfig.ready``."""
    _adapters[adapter.family] = adapter


def adapters() -> tuple[Adapter, ...]:
    """Return every adapter."""
    return tuple(_adapters.values())


def adapter_of(model_name: str) -> Adapter:
    """Return the adapter of a model's family.

    Raises
    ------
    NotFound
        When there is no such model.
    InvalidInput
        When its family has no adapter.
    """
    family = _family_of.get(model_name)
    if family is None:
        families = RegisteredModel.objects.filter(name=model_name[:80]).values_list("family")
        found = families.first()
        if found is None:
            raise NotFound(
                _("There is no model “%(name)s”; GET /api/v1/models/ lists them.")
                % {"name": model_name[:80]}
            )
        family = _family_of[model_name] = found[0]
    adapter = _adapters.get(family)
    if adapter is None:
        raise InvalidInput(
            _(
                "The model “%(name)s” is of the family “%(family)s”, which takes no tensors: ask "
                "for it under /api/v1/predictions/."
            )
            % {"name": model_name, "family": family},
            code="no_tensors",
        )
    return adapter
