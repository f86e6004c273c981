from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SearchConfig(AppConfig):
    name = "search"
    verbose_name = _("Search")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.core import findings  # noqa: PLC0415 - as below
        from portal.registry import families  # noqa: PLC0415 - models load before ready, not before this
        from search.services import counts  # noqa: PLC0415 - as above
        from search.services.family import SearchFamily  # noqa: PLC0415 - as above

        families.register(SearchFamily())
        findings.register("search", counts.look_at_indexes)
