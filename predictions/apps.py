from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PredictionsConfig(AppConfig):
    name = "predictions"
    verbose_name = _("Predictions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.core import findings  # noqa: PLC0415 - as below
        from portal.lib import tunables  # noqa: PLC0415 - as below
        from portal.registry import families  # noqa: PLC0415 - models load before ready, not before this
        from predictions.services import counts, inference  # noqa: PLC0415 - as above
        from predictions.services.quality import QualityFamily  # noqa: PLC0415 - as above
        from predictions.services.quality_inference import QualityInference  # noqa: PLC0415 - as above
        from predictions.services.quality_tunable import QualityParameters  # noqa: PLC0415 - as above
        from predictions.services.routing.family import RoutingFamily  # noqa: PLC0415 - as above

        families.register(QualityFamily())
        families.register(RoutingFamily())
        inference.register(QualityInference())
        tunables.register(QualityParameters())
        findings.register("stream", counts.look_at_stream)
