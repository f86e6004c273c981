from django.urls import path

from search.api.batches import BatchCancel, BatchResults, BatchSearch, BatchStatus
from search.api.clicks import ClickList
from search.api.collections import (
    CollectionDetail,
    CollectionList,
    Facets,
    IndexVersionList,
    Rebuild,
)
from search.api.documents import DocumentDetail, DocumentList, DocumentSink
from search.api.search import answer, search

COLLECTION = "collections/<str:name>/"

urlpatterns = [
    path("search/", search, name="search"),
    path("search/<uuid:search_id>/clicks/", ClickList.as_view(), name="search-clicks"),
    path("answers/", answer, name="answers"),
    path("batch/search", BatchSearch.as_view(), name="batch-search"),
    path("batch/status/<uuid:job_id>", BatchStatus.as_view(), name="batch-status"),
    path("batch/results/<uuid:job_id>", BatchResults.as_view(), name="batch-results"),
    path("batch/cancel/<uuid:job_id>", BatchCancel.as_view(), name="batch-search-cancel"),
    path("collections/", CollectionList.as_view(), name="collection-list"),
    path(COLLECTION, CollectionDetail.as_view(), name="collection-detail"),
    path(f"{COLLECTION}versions/", IndexVersionList.as_view(), name="collection-versions"),
    path(f"{COLLECTION}rebuild/", Rebuild.as_view(), name="collection-rebuild"),
    path(f"{COLLECTION}facets/", Facets.as_view(), name="collection-facets"),
    path("documents/", DocumentSink.as_view(), name="documents"),
    path("documents/<str:collection>/", DocumentList.as_view(), name="document-list"),
    path(
        "documents/<str:collection>/<path:external_id>/",
        DocumentDetail.as_view(),
        name="document-detail",
    ),
]
