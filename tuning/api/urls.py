from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tuning.api.put_rate import PutRate
from tuning.api.readings import Readings
from tuning.api.studies import Report, Studies, Targets, Trials

router = SimpleRouter()
router.register("studies", Studies, basename="study")

urlpatterns = [
    path("studies/<uuid:id>/trials/", Trials.as_view(), name="study-trials"),
    path("studies/<uuid:id>/report/", Report.as_view(), name="study-report"),
    path("tuning-targets/rocksdb/put-rate/", PutRate.as_view(), name="put-rate"),
    path("tuning-targets/", Targets.as_view(), name="tuning-targets"),
    path("tuning-targets/<str:name>/readings/", Readings.as_view(), name="tuning-target-readings"),
    path("", include(router.urls)),
]
