from rest_framework.routers import SimpleRouter

from portal.registry.api.views import (
    Aliases,
    History,
    ModelPromotions,
    Models,
    Promotions,
    Versions,
)

MODEL = r"models/(?P<name>[-a-zA-Z0-9_]+)"

router = SimpleRouter()
router.register("models", Models, basename="api-model")
router.register(f"{MODEL}/versions", Versions, basename="api-version")
router.register(f"{MODEL}/history", History, basename="api-history")
router.register(f"{MODEL}/aliases", Aliases, basename="api-alias")
router.register(f"{MODEL}/promotions", ModelPromotions, basename="api-model-promotion")
router.register("promotions", Promotions, basename="api-promotion")

urlpatterns = router.urls
