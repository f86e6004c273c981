"""The champion in this process: loaded from verified files, exchanged in one assignment.

A request takes the held model once and finishes on it, whatever is exchanged meanwhile.
"""

import os
import threading
from dataclasses import dataclass

import numpy as np
import structlog
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.errors import Corrupt, Unavailable
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.live import AliasWatcher
from portal.registry.models import ModelVersion
from predictions.engine import serving as engine
from predictions.engine.serving import ServingModel, UnservableModel
from predictions.services.models import MODEL_NAME

log = structlog.get_logger(__name__)

SERVING_FORM = "serving.onnx"
#: A request that arrives while the first model loads waits this long; loading takes about 0.1 s.
FIRST_LOAD_S = 5.0
#: A damaged file is tried again this often, so that a restored one is taken without a restart.
RETRY_S = 30.0


@dataclass(frozen=True)
class Held:
    """A version ready to answer."""

    version_id: int
    number: int
    digest: str
    model: ServingModel


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
    return Held(version.pk, version.number, version.digest, model)


class Champion:
    """The version of one model that answers in this process.

    Parameters
    ----------
    model_name : str
        Of the registered model.
    """

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self._held: Held | None = None
        self._failed = ""
        self._is_settled = threading.Event()
        self._again: threading.Timer | None = None
        self._watcher = AliasWatcher(model_name, self.take)
        os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Begin to follow the alias, if this process does not yet."""
        self._watcher.start()

    def _forget(self) -> None:
        """Hold nothing in a forked child, whose watcher does not run yet."""
        self._held = None
        self._is_settled = threading.Event()

    def stop(self) -> None:
        """Forget the model and follow the alias no more."""
        self._watcher.stop()
        self._cancel_retry()
        self._forget()

    @property
    def held(self) -> Held | None:
        """The version that answers now, without waiting."""
        return self._held

    def get(self) -> Held:
        """Return the version that answers now.

        Raises
        ------
        Unavailable
            When there is none: no champion, or its files are damaged, or not loaded yet.
        """
        if (held := self._held) is not None:
            return held
        self._watcher.start()
        self._is_settled.wait(FIRST_LOAD_S)
        if (held := self._held) is None:
            raise self._unavailable()
        return held

    def take(self, version: ModelVersion | None) -> None:
        """Hold another version; when it cannot be loaded, the one before goes on answering."""
        if version is None:
            self._settle(None, "")
            return
        try:
            held = load(version)
        except Corrupt as exc:
            self._keep(version, exc)
            return
        self._settle(held, "")
        alerts.resolve_alert(self._alert_key)
        log.info("champion_held", model=self.model_name, version=version.number)

    @property
    def _alert_key(self) -> str:
        return f"predictions.serving.{self.model_name}"

    def _settle(self, held: Held | None, failed: str) -> None:
        self._held, self._failed = held, failed
        self._is_settled.set()

    def _keep(self, version: ModelVersion, exc: Corrupt) -> None:
        """Stay on the version held, tell the operators, try again later."""
        self._settle(self._held, str(exc))
        still = self._held.number if self._held else None
        log.error("champion_not_loaded", version=version.number, still=still, error=str(exc))
        alerts.raise_alert(
            self._alert_key,
            "critical",
            _(
                "Version %(number)d of %(model)s is champion but cannot be loaded: %(reason)s "
                "Restore its file or roll back to an earlier version."
            )
            % {"number": version.number, "model": self.model_name, "reason": exc},
        )
        self._try_again(version)

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
            if selectors.champion(self.model_name) == version:
                self.take(version)
        except DatabaseError as exc:
            log.warning("champion_not_retried", version=version.number, error=str(exc))
            self._try_again(version)
        finally:
            connection.close()

    def _unavailable(self) -> Unavailable:
        if self._failed:
            return Unavailable(
                _(
                    "The champion of %(model)s cannot be loaded: %(reason)s Roll back, or restore "
                    "its file."
                )
                % {"model": self.model_name, "reason": self._failed},
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


quality = Champion(MODEL_NAME)
