from django.urls import path

from search.lab.api.campaigns import (
    CampaignCancel,
    CampaignDetail,
    CampaignList,
    CampaignPause,
    CampaignResume,
)
from search.lab.api.results import Comparison, Report, ResultList
from search.lab.api.tunings import TuningApply, TuningList

ONE = "benchmarks/<uuid:pk>/"

urlpatterns = [
    path("benchmarks/", CampaignList.as_view(), name="campaign-list"),
    path(ONE, CampaignDetail.as_view(), name="campaign-detail"),
    path(f"{ONE}results/", ResultList.as_view(), name="campaign-results"),
    path(f"{ONE}report/", Report.as_view(), name="campaign-report"),
    path(f"{ONE}comparison/", Comparison.as_view(), name="campaign-comparison"),
    path(f"{ONE}pause/", CampaignPause.as_view(), name="campaign-pause"),
    path(f"{ONE}resume/", CampaignResume.as_view(), name="campaign-resume"),
    path(f"{ONE}cancel/", CampaignCancel.as_view(), name="campaign-cancel"),
    path("graph-tunings/", TuningList.as_view(), name="graph-tunings"),
    path("graph-tunings/<uuid:pk>/apply/", TuningApply.as_view(), name="graph-tuning-apply"),
]
