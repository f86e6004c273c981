from django.urls import path

from search.api.clicks import ClickList
from search.api.search import answer, search

urlpatterns = [
    path("search/", search, name="search"),
    path("search/<uuid:search_id>/clicks/", ClickList.as_view(), name="search-clicks"),
    path("answers/", answer, name="answers"),
]
