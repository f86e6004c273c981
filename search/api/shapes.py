"""What the light addresses take and answer, for the OpenAPI document alone."""

from typing import Any

from rest_framework import serializers

from portal.core.api.examples import example

Serializer = serializers.Serializer[Any]
MODES = ("hybrid", "lexical", "vector")
ANSWER_KINDS = ("extractive", "generated", "refused")


@example({"query": "기포 결함 원인", "collection": "die-casting", "top_k": 5})
class QuerySerializer(Serializer):
    query = serializers.CharField(max_length=10_000, help_text="Text; there is no query language.")
    collection = serializers.SlugField(max_length=60)
    mode = serializers.ChoiceField(MODES, default="hybrid")
    top_k = serializers.IntegerField(min_value=1, max_value=1000, default=10)
    filters = serializers.DictField(
        required=False,
        help_text='{"field": value}, {"field": [values]} or {"field": {"gte": 1, "lt": 5}}; the '
        "fields are document_id, taxonomy (a path and all under it), content_type, date, title "
        "and the metadata's.",
    )
    taxonomy = serializers.CharField(
        required=False, max_length=500, help_text="A path whose passages are favoured."
    )
    options = serializers.DictField(
        required=False,
        help_text="fusion, vector_weight, taxonomy_boost, n_candidates, snippet_chars, "
        "per_document; instead of the collection's own.",
    )


class FoundDocumentSerializer(Serializer):
    external_id = serializers.CharField()
    title = serializers.CharField()
    taxonomy = serializers.CharField()
    content_type = serializers.CharField()
    date = serializers.DateField(allow_null=True)


class FoundPassageSerializer(Serializer):
    id = serializers.CharField()
    text = serializers.CharField()
    headings = serializers.ListField(child=serializers.CharField())
    position = serializers.IntegerField()


class SnippetSerializer(Serializer):
    text = serializers.CharField()
    ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Matches as [start, end) in characters of the text.",
    )


class HitSerializer(Serializer):
    document = FoundDocumentSerializer()
    passage = FoundPassageSerializer()
    snippet = SnippetSerializer()
    score = serializers.FloatField()
    lexical_score = serializers.FloatField(allow_null=True)
    vector_score = serializers.FloatField(allow_null=True)
    rank_lexical = serializers.IntegerField(allow_null=True)
    rank_vector = serializers.IntegerField(allow_null=True)
    taxonomy_boost = serializers.FloatField()
    metadata = serializers.DictField()


class FoundSerializer(Serializer):
    search_id = serializers.UUIDField(help_text="Under which a click is reported.")
    took_ms = serializers.FloatField()
    cache = serializers.ChoiceField(("hit", "miss"))
    timings = serializers.DictField(
        child=serializers.FloatField(), help_text="Milliseconds by step; empty for a hit."
    )
    hits = HitSerializer(many=True)
    mode = serializers.ChoiceField(MODES)
    n_candidates = serializers.IntegerField(help_text="Passages that were compared.")
    degraded = serializers.ListField(
        child=serializers.CharField(), help_text="Legs that are missing, each with its reason."
    )
    collection = serializers.CharField()
    version = serializers.IntegerField(help_text="Of the index.")


@example({"question": "기포 결함은 왜 생깁니까?", "collection": "die-casting"})
class SearchQuestionSerializer(Serializer):
    question = serializers.CharField(max_length=2_000)
    collection = serializers.SlugField(max_length=60)
    filters = serializers.DictField(required=False)
    taxonomy = serializers.CharField(required=False, max_length=500)


class AnswerSentenceSerializer(Serializer):
    text = serializers.CharField()
    citations = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of the sources."
    )


class SourceSerializer(Serializer):
    number = serializers.IntegerField(help_text="From 1, as citations name it.")
    document = FoundDocumentSerializer()
    passage = FoundPassageSerializer()
    snippet = SnippetSerializer()
    score = serializers.FloatField()


class SearchAnswerSerializer(Serializer):
    cache = serializers.ChoiceField(("hit", "miss"))
    took_ms = serializers.FloatField()
    answer = serializers.CharField(allow_null=True, help_text="With citations; null when refused.")
    kind = serializers.ChoiceField(ANSWER_KINDS)
    reason = serializers.CharField(help_text="Why it was refused.")
    support = serializers.FloatField(
        help_text="Probability that the passages answer the question; below the threshold the "
        "answer is refused."
    )
    threshold = serializers.FloatField()
    sentences = AnswerSentenceSerializer(many=True)
    extract = serializers.CharField(help_text="The answer in the documents' own words.")
    sources = SourceSerializer(many=True)
    collection = serializers.CharField()
    version = serializers.IntegerField(help_text="Of the index.")
    timings = serializers.DictField(child=serializers.FloatField())
    degraded = serializers.ListField(child=serializers.CharField())
