from django.urls import path

from predictions.api.routing.outcomes import RoutingDecision, RoutingDecisionList
from predictions.api.routing.predictions import (
    RoutingPredictionDetail,
    RoutingPredictionList,
    propose,
    propose_batch,
)

urlpatterns = [
    path("predictions/routing/", propose, name="predict-routing"),
    path("predictions/routing/batch/", propose_batch, name="predict-routing-batch"),
    path(
        "predictions/routing/history/",
        RoutingPredictionList.as_view(),
        name="routing-prediction-list",
    ),
    path(
        "predictions/routing/outcomes/", RoutingDecisionList.as_view(), name="routing-decision-list"
    ),
    path(
        "predictions/routing/<uuid:pk>/",
        RoutingPredictionDetail.as_view(),
        name="routing-prediction-detail",
    ),
    path(
        "predictions/routing/<uuid:pk>/outcome/", RoutingDecision.as_view(), name="routing-decision"
    ),
]
