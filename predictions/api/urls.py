from django.urls import path

from predictions.api.ablations import AblationDetail, AblationList
from predictions.api.batches import BatchCancel, BatchDetail, BatchList, BatchResult
from predictions.api.datasets import DatasetDetail, DatasetList
from predictions.api.explanations import (
    CounterfactualView,
    ExplanationView,
    SimilarView,
    WaterfallPngView,
    WaterfallView,
)
from predictions.api.history import PredictionDetail, PredictionList
from predictions.api.outcomes import (
    DisagreementList,
    LabelledDataset,
    LiveQualityView,
    OutcomeList,
    PredictionOutcome,
)
from predictions.api.quality import predict, predict_batch
from predictions.api.retraining import RetrainingView
from predictions.api.routing.urls import urlpatterns as routing
from predictions.api.traffic import ComparisonView, TrafficView
from predictions.api.training import TrainingList
from predictions.api.versions import CostsView, ImportanceView

urlpatterns = [
    path("batch-predictions/", BatchList.as_view(), name="batch-list"),
    path("batch-predictions/<uuid:pk>/", BatchDetail.as_view(), name="batch-detail"),
    path("batch-predictions/<uuid:pk>/result/", BatchResult.as_view(), name="batch-result"),
    path("batch-predictions/<uuid:pk>/cancel/", BatchCancel.as_view(), name="batch-cancel"),
    path("datasets/", DatasetList.as_view(), name="dataset-list"),
    path("datasets/<int:pk>/", DatasetDetail.as_view(), name="dataset-detail"),
    path("datasets/labelled/", LabelledDataset.as_view(), name="dataset-labelled"),
    path("outcomes/", OutcomeList.as_view(), name="outcome-list"),
    path("outcomes/disagreements/", DisagreementList.as_view(), name="outcome-disagreements"),
    path(
        "models/<slug:name>/versions/<int:number>/costs/", CostsView.as_view(), name="version-costs"
    ),
    path(
        "models/<slug:name>/versions/<int:number>/importance/",
        ImportanceView.as_view(),
        name="version-importance",
    ),
    path("models/<slug:name>/comparison/", ComparisonView.as_view(), name="comparison"),
    path("models/<slug:name>/traffic/", TrafficView.as_view(), name="traffic"),
    path("training/ablations/", AblationList.as_view(), name="ablations"),
    path("training/ablations/<uuid:pk>/", AblationDetail.as_view(), name="ablation"),
    path("training/", TrainingList.as_view(), name="training"),
    path("models/<slug:name>/retrain/", RetrainingView.as_view(), name="retraining"),
    path("predictions/", PredictionList.as_view(), name="prediction-list"),
    path("predictions/quality/", predict, name="predict-quality"),
    path("predictions/quality/batch/", predict_batch, name="predict-quality-batch"),
    *routing,
    path("predictions/live-quality/", LiveQualityView.as_view(), name="live-quality"),
    path("predictions/<uuid:pk>/outcome/", PredictionOutcome.as_view(), name="prediction-outcome"),
    path("predictions/<uuid:pk>/", PredictionDetail.as_view(), name="prediction-detail"),
    path("predictions/<uuid:pk>/explanation/", ExplanationView.as_view(), name="explanation"),
    path(
        "predictions/<uuid:pk>/explanation/waterfall.svg",
        WaterfallView.as_view(),
        name="explanation-waterfall",
    ),
    path(
        "predictions/<uuid:pk>/explanation/waterfall.png",
        WaterfallPngView.as_view(),
        name="explanation-waterfall-png",
    ),
    path("predictions/<uuid:pk>/similar/", SimilarView.as_view(), name="prediction-similar"),
    path(
        "predictions/<uuid:pk>/counterfactual/",
        CounterfactualView.as_view(),
        name="prediction-counterfactual",
    ),
]
