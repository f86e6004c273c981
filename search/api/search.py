"""Searches and answers: the busiest addresses of this app, on the light path."""

from typing import Any

from django.http import HttpResponse

from portal.core.api.fast import Call, fast_view
from search.api import bodies, shapes
from search.services import quotas, replies, serving

JSON = "application/json"
LOOK = "search.view_collection"
ANSWER_MEMBERS = ("question", "collection", "filters", "taxonomy")
LONGEST_QUESTION = 2_000


@fast_view(
    scope="search",
    permission=LOOK,
    documented={
        "summary": "Search a collection",
        "description": "No query language: every character of the query is text. `filters` leave "
        "out what does not match, `taxonomy` favours a branch of the tree. An answer may come from "
        "a cache, whose key names the index version and every change applied since.",
        "request": shapes.QuerySerializer,
        "responses": shapes.FoundSerializer,
    },
)
def search(call: Call) -> Any:
    """Search a collection."""
    asked = bodies.query_of(call.body)
    quotas.spend(call.principal.name)
    return HttpResponse(serving.search(asked, call.principal.name).to_json(), JSON)


@fast_view(
    scope="search",
    permission=LOOK,
    documented={
        "summary": "Answer a question from a collection",
        "description": "Sentences of the passages found, each with the number of its source; "
        "worded by a language model where one is configured, as far as the passages it cites say "
        "so. "
        "Refused, with the nearest passages, when they do not answer the question.",
        "request": shapes.SearchQuestionSerializer,
        "responses": shapes.SearchAnswerSerializer,
    },
)
def answer(call: Call) -> Any:
    """Answer a question from a collection."""
    given = bodies.members(call.body, ANSWER_MEMBERS)
    question = bodies.text(given, "question", "", LONGEST_QUESTION)
    collection = bodies.text(given, "collection", "", bodies.LONGEST_NAME)
    taxonomy = bodies.text(given, "taxonomy", "", bodies.LONGEST_TAXONOMY, default="")
    filters = bodies.filters(given.get("filters"), "")
    if not question.strip():
        raise bodies.empty("question")
    quotas.spend(call.principal.name)
    said = replies.reply(collection, question, filters=filters, taxonomy=taxonomy)
    return HttpResponse(said.to_json(), JSON)
