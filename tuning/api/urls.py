from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tuning.api.instances import Instances, OneInstance, Samples
from tuning.api.put_rate import PutRate
from tuning.api.readings import Readings
from tuning.api.studies import Record, Report, Studies, Targets, Trials

router = SimpleRouter()
router.register("studies", Studies, basename="study")

urlpatterns = [
    path("studies/<uuid:id>/trials/", Trials.as_view(), name="study-trials"),
    path("studies/<uuid:id>/report/", Report.as_view(), name="study-report"),
    path("tuning-instances/", Instances.as_view(), name="tuning-instances"),
    path("tuning-instances/<str:name>/", OneInstance.as_view(), name="tuning-instance"),
    path("tuning-instances/<str:name>/samples/", Samples.as_view(), name="tuning-instance-samples"),
    path("studies/<uuid:id>/records/<slug:kind>/", Record.as_view(), name="study-record"),
    path("tuning-targets/rocksdb/put-rate/", PutRate.as_view(), name="put-rate"),
    path("tuning-targets/", Targets.as_view(), name="tuning-targets"),
    path("tuning-targets/<str:name>/readings/", Readings.as_view(), name="tuning-target-readings"),
    path("", include(router.urls)),
]
