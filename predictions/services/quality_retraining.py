"""How quality models are retrained: on the latest labelled shots."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.context import RunContext
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services import snapshots, training
from predictions.services.models import quality_model
from predictions.services.retraining_outcomes import Outcome, Said
from predictions.services.retraining_wish import Wish


class QualityWay:
    """Freezes labelled shots and trains on the earlier ones."""

    def model(self, name: str) -> RegisteredModel:
        """Return the model of that name."""
        return quality_model(name)

    def snapshot(self, ctx: RunContext, model: RegisteredModel, wish: Wish) -> Dataset | Said:
        """Return the frozen shots, or why there is nothing to train on."""
        taken = snapshots.taken_by(ctx)
        if taken is not None:
            ctx.log(_("The shots are frozen already as data set %(id)d.") % {"id": taken.pk})
            return taken
        gathered = snapshots.gather(ctx, model, wish.max_rows)
        if gathered is None:
            return Said(
                Outcome.SKIPPED,
                _(
                    "There are no labelled shots: import some, or report what became of "
                    "predictions."
                ),
                "nothing_labelled",
            )
        ctx.log(
            _("%(rows)d labelled shots from %(sources)d sources.")
            % {"rows": gathered.table.n_rows, "sources": len(gathered.sources)},
            sources=gathered.sources,
        )
        refused = None if wish.force else _nothing_new(gathered, model, wish)
        return refused or snapshots.keep(ctx, gathered, model, wish.reason)

    def params(self, ctx: RunContext, champion: ModelVersion | None) -> dict[str, Any]:
        """Return the champion's training parameters; nothing where they are of another release."""
        given = dict(champion.evaluation.get("params", {})) if champion is not None else {}
        try:
            return TrainingParams.from_dict(given).to_dict()
        except EngineError:
            ctx.log(
                _("The champion's training parameters are of another release; using the defaults.")
            )
            return {}

    def train(
        self, ctx: RunContext, model: RegisteredModel, dataset: Dataset, params: dict[str, Any]
    ) -> None:
        """Train a version that the latest shots of the data set judge."""
        training.train(
            ctx, model_name=model.name, dataset_id=dataset.pk, params=params, is_forward=True
        )


def _nothing_new(gathered: snapshots.Gathered, model: RegisteredModel, wish: Wish) -> Said | None:
    newest = model.versions.order_by("-number").first()
    if newest is None:
        return None
    if model.versions.filter(dataset_fingerprint=gathered.fingerprint).exists():
        return Said(
            Outcome.SKIPPED,
            _("Nothing is new since the last training; there is nothing to learn."),
            "unchanged",
        )
    before = Dataset.objects.filter(fingerprint=newest.dataset_fingerprint, copy_of=None).first()
    needed = settings.RETRAIN_MIN_NEW if wish.min_new is None else wish.min_new
    n_new = snapshots.n_new(gathered.table, before) if before is not None else needed
    if n_new >= needed:
        return None
    return Said(
        Outcome.SKIPPED,
        _("Only %(new)d labelled shots are new since %(version)s; %(needed)d are asked for.")
        % {"new": n_new, "version": newest, "needed": needed},
        "too_little_new",
    )
