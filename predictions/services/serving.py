"""The versions that answer in this process, loaded from verified files.

They are exchanged in one assignment: a request takes the held model once and finishes on it,
whatever is exchanged meanwhile. Beside the champion a challenger may answer the share of requests
that somebody allowed it.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic

import numpy as np
import structlog
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from typing_extensions import TypeVar

from portal.core import alerts
from portal.core.errors import Corrupt, Unavailable
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.live import AliasWatcher
from portal.registry.models import Alias, ModelVersion
from predictions.engine import serving as engine
from predictions.engine.serving import ServingModel, UnservableModel
from predictions.models import Prediction
from predictions.services import traffic
from predictions.services.models import MODEL_NAME

log = structlog.get_logger(__name__)

SERVING_FORM = "serving.onnx"
#: A request that arrives while the first model loads waits this long; loading takes about 0.1 s.
FIRST_LOAD_S = 5.0
#: A damaged file is tried again this often, so that a restored one is taken without a restart.
RETRY_S = 30.0


_HASH_SPAN = 2.0**64

#: What a version is in memory; of the quality family where nothing else is said.
M = TypeVar("M", default=ServingModel)


@dataclass(frozen=True)
class Held(Generic[M]):
    """A version ready to answer."""

    version_id: int
    number: int
    digest: str
    model: M
    model_name: str


def load(version: ModelVersion) -> Held:
    """Load a version's serving form, verified, and run it once.

    Raises
    ------
    Corrupt
        When the file is missing, does not match its digest, or is no model of this family.
    """
    try:
        model = engine.load(registry.read_artifact(version, SERVING_FORM))
        n_features = len(model.signature.names)
        model.predict(np.full((1, n_features), np.nan, dtype=np.float32))
    except UnservableModel as exc:
        raise Corrupt(
            _("The serving form of %(version)s cannot be loaded: %(reason)s")
            % {"version": version, "reason": exc},
            code="unservable",
        ) from exc
    return Held(version.pk, version.number, version.digest, model, version.model.name)


@dataclass(frozen=True)
class Choice(Generic[M]):
    """Which version answers a request, and why that one.

    Attributes
    ----------
    held
        The version.
    role
        A :class:`Prediction.Role`.
    share
        What the challenger may answer at this moment; 0 without one.
    fallback
        The champion, to answer when the challenger cannot.
    """

    held: Held[M]
    role: str = Prediction.Role.CHAMPION.value
    share: float = 0.0
    fallback: Held[M] | None = None

    def stand_in(self) -> "Choice[M] | None":
        """Return the champion in place of the challenger, None when there is no other."""
        if self.fallback is None:
            return None
        return Choice(self.fallback, Prediction.Role.FALLBACK.value, self.share)


class Holder(Generic[M]):
    """A version that an alias points at, held in this process while the alias is followed.

    Parameters
    ----------
    model_name : str
        Of the registered model.
    alias : Alias
        Which alias is followed.
    load : callable
        Loads a version from verified files; raises ``Corrupt`` when one is damaged.
    also : callable, optional
        Reads what else decides what is held; see :class:`AliasWatcher`.
    """

    #: Of the alert when a version cannot be loaded.
    severity = "critical"

    def __init__(
        self,
        model_name: str,
        alias: Alias,
        load: Callable[[ModelVersion], Held[M]],
        *,
        also: Callable[[], Hashable] | None = None,
    ) -> None:
        self.model_name = model_name
        self.alias = alias
        self._load = load
        self._held: Held[M] | None = None
        self._again: threading.Timer | None = None
        self._watcher = AliasWatcher(model_name, self.take, alias=alias, also=also)
        os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Begin to follow the alias, if this process does not yet."""
        self._watcher.start()

    def stop(self) -> None:
        """Forget the version and follow the alias no more."""
        self._watcher.stop()
        self._cancel_retry()
        self._forget()

    @property
    def held(self) -> Held[M] | None:
        """The version held now, without waiting."""
        return self._held

    def take(self, version: ModelVersion | None) -> None:
        """Hold another version, or none."""
        if version is None:
            self._settle(None, "")
            return
        try:
            held = self._load(version)
        except Corrupt as exc:
            self._keep(version, exc)
            return
        self._settle(held, "")
        alerts.resolve_alert(self._alert_key)
        log.info("version_held", model=self.model_name, alias=self.alias, version=version.number)

    def _forget(self) -> None:
        """Hold nothing in a forked child, whose watcher does not run yet."""
        self._held = None

    def _settle(self, held: Held[M] | None, failed: str) -> None:
        self._held = held

    @property
    def _alert_key(self) -> str:
        return f"predictions.serving.{self.model_name}"

    def _keep(self, version: ModelVersion, exc: Corrupt) -> None:
        """Go on without the version, tell the operators, try again later."""
        held = self._instead()
        self._settle(held, str(exc))
        still = held.number if held else None
        log.error("version_not_loaded", version=version.number, still=still, error=str(exc))
        alerts.raise_alert(self._alert_key, self.severity, lambda: self._complaint(version, exc))
        self._try_again(version)

    def _instead(self) -> Held[M] | None:
        """Return what is held when the version that should be cannot."""
        return None

    def _complaint(self, version: ModelVersion, exc: Corrupt) -> str:
        raise NotImplementedError

    def _cancel_retry(self) -> None:
        if self._again is not None:
            self._again.cancel()

    def _try_again(self, version: ModelVersion) -> None:
        self._cancel_retry()
        self._again = threading.Timer(RETRY_S, self._retry, [version])
        self._again.daemon = True
        self._again.start()

    def _retry(self, version: ModelVersion) -> None:
        try:
            if selectors.current(self.model_name, self.alias) == version:
                self.take(version)
        except DatabaseError as exc:
            log.warning("version_not_retried", version=version.number, error=str(exc))
            self._try_again(version)
        finally:
            connection.close()


class Challenger(Holder[M]):
    """The version that may answer a share of the requests of one model.

    It is loaded only while it has a share. When its files are damaged it answers nothing.
    """

    severity = "warning"

    def __init__(self, model_name: str, load: Callable[[ModelVersion], Held[M]]) -> None:
        super().__init__(
            model_name, Alias.CHALLENGER, load, also=lambda: traffic.last_split_id(model_name)
        )
        self.share = 0.0

    def take(self, version: ModelVersion | None) -> None:
        """Hold the version if it was given a share."""
        share = traffic.share_of(version) if version is not None else 0.0
        self.share = share
        if not share:
            self._cancel_retry()
            alerts.resolve_alert(self._alert_key)
        super().take(version if share else None)

    def wants(self, key: bytes) -> bool:
        """Whether a request is among the share: the same key always is, or never.

        Parameters
        ----------
        key
            The caller's own name of the request, else the first identifier of its predictions.
        """
        held = self._held
        if held is None:
            return False
        digest = hashlib.blake2b(key, digest_size=8, salt=b"%d" % held.version_id).digest()
        return int.from_bytes(digest, "big") / _HASH_SPAN < self.share

    @property
    def _alert_key(self) -> str:
        return f"{super()._alert_key}.challenger"

    def _complaint(self, version: ModelVersion, exc: Corrupt) -> str:
        return _(
            "Version %(number)d of %(model)s is challenger but cannot be loaded, so the champion "
            "answers its share: %(reason)s Restore its file or take the challenger off."
        ) % {"number": version.number, "model": self.model_name, "reason": exc}


class Champion(Holder[M]):
    """The version of one model that answers in this process, and its challenger.

    When a new champion cannot be loaded, the one before goes on answering.

    Parameters
    ----------
    model_name : str
        Of the registered model.
    load : callable
        As of :class:`Holder`.
    """

    def __init__(self, model_name: str, load: Callable[[ModelVersion], Held[M]]) -> None:
        self._failed = ""
        self._choice: Choice[M] | None = None
        self._is_settled = threading.Event()
        self.challenger = Challenger(model_name, load)
        super().__init__(model_name, Alias.CHAMPION, load)

    def start(self) -> None:
        """Begin to follow the aliases, if this process does not yet."""
        super().start()
        self.challenger.start()

    def stop(self) -> None:
        """Forget the versions and follow the aliases no more."""
        super().stop()
        self.challenger.stop()

    @property
    def has_champion(self) -> bool:
        """Whether the model has a champion, loaded or damaged, as far as this process knows."""
        return self._held is not None or bool(self._failed)

    def get(self) -> Held[M]:
        """Return the champion.

        Raises
        ------
        Unavailable
            When there is none: no champion, or its files are damaged, or not loaded yet.
        """
        if (held := self._held) is not None:
            return held
        self.start()
        self._is_settled.wait(FIRST_LOAD_S)
        if (held := self._held) is None:
            raise self._unavailable()
        return held

    def choose(self, key: bytes) -> Choice[M]:
        """Return who answers a request; see :meth:`Challenger.wants`.

        Raises
        ------
        Unavailable
            As :meth:`get`; the challenger answers beside a champion, never alone.
        """
        champion = self.get()
        challenger = self.challenger
        rival = challenger.held
        if rival is None or rival.version_id == champion.version_id:
            choice = self._choice
            if choice is None or choice.held is not champion:
                choice = self._choice = Choice(champion)
            return choice
        if challenger.wants(key):
            role = Prediction.Role.CHALLENGER.value
            return Choice(rival, role, challenger.share, fallback=champion)
        return Choice(champion, share=challenger.share)

    def _forget(self) -> None:
        super()._forget()
        self._choice = None
        self._is_settled = threading.Event()

    def _settle(self, held: Held[M] | None, failed: str) -> None:
        self._held, self._failed = held, failed
        self._is_settled.set()

    def _instead(self) -> Held[M] | None:
        return self._held

    def _complaint(self, version: ModelVersion, exc: Corrupt) -> str:
        return _(
            "Version %(number)d of %(model)s is champion but cannot be loaded: %(reason)s "
            "Restore its file or roll back to an earlier version."
        ) % {"number": version.number, "model": self.model_name, "reason": exc}

    def _unavailable(self) -> Unavailable:
        if self._failed:
            return Unavailable(
                _(
                    "The champion of %(model)s cannot be loaded because it is damaged; the alert "
                    "says how. Roll back, or restore its file."
                )
                % {"model": self.model_name},
                code="champion_damaged",
            )
        if not self._is_settled.is_set():
            return Unavailable(
                _("The champion of %(model)s is not loaded yet: try again in a few seconds.")
                % {"model": self.model_name},
                code="champion_loading",
            )
        return Unavailable(
            _(
                "The model %(model)s has no champion: train a version, ask for its promotion and "
                "have it approved and applied."
            )
            % {"model": self.model_name},
            code="no_champion",
        )


quality = Champion(MODEL_NAME, load)
