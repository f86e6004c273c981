"""Batches of searches: hand them in, see how far they are, read what is there, stop them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import actor_of, idempotent, scope
from portal.core.api.authentication import principal_of
from portal.core.errors import FieldProblem, InvalidInput
from portal.runs import services as runs
from portal.runs.api.serializers import ProgressSerializer, RunErrorSerializer
from portal.runs.models import Run, State
from search import dispatch
from search.api import bodies
from search.api.search import LOOK
from search.api.shapes import MODES
from search.services import batches, collections, quotas
from search.services.batches import Priority
from search.services.serving import Query

#: Members that count for every query which does not name its own.
SHARED = tuple(name for name in bodies.MEMBERS if name != "query")
NAMED = (*bodies.MEMBERS, "id")
LONGEST_ID = 200
#: Of a batch that is wrong in many places, so many are named.
MOST_NAMED = 100


class BatchSerializer(serializers.Serializer[Any]):
    queries = serializers.ListField(
        child=serializers.JSONField(),
        min_length=1,
        max_length=batches.MOST_QUERIES,
        help_text="Each a text, or an object as POST /api/v1/search/ takes it with an “id” of "
        "your own.",
    )
    priority = serializers.ChoiceField([one.value for one in Priority], default="normal")
    collection = serializers.SlugField(required=False, help_text="For queries that name none.")
    mode = serializers.ChoiceField(MODES, required=False)
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    filters = serializers.DictField(required=False)
    taxonomy = serializers.CharField(required=False)
    options = serializers.DictField(required=False)


class JobSerializer(serializers.Serializer[Run]):
    job_id = serializers.UUIDField(source="id")
    status = serializers.ChoiceField(State.choices, source="state")
    priority = serializers.ChoiceField(
        [one.value for one in Priority], source="parameters.priority"
    )
    n_queries = serializers.IntegerField(source="parameters.n_queries")
    n_done = serializers.SerializerMethodField(help_text="Queries whose results can be read now.")
    n_failed = serializers.SerializerMethodField(help_text="Of these, how many have an error.")
    progress = ProgressSerializer(source="*")
    error = serializers.SerializerMethodField()
    results_url = serializers.SerializerMethodField(help_text="NDJSON; also while it works.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Run) -> dict[str, Any]:
        self.found = batches.parts(instance.pk)
        return super().to_representation(instance)

    def get_n_done(self, run: Run) -> int:
        return self.found[-1].end if self.found else 0

    def get_n_failed(self, run: Run) -> int:
        return sum(part.n_failed for part in self.found)

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, str] | None:
        return RunErrorSerializer(run).data if run.error_code else None

    def get_results_url(self, run: Run) -> str:
        return f"/api/v1/batch/results/{run.pk}"


class BatchSearch(APIView):
    """Hand in a batch."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(
        summary="Search many queries in the background",
        description="Up to 10,000 queries; each counts for the quota. A wrong query is named and "
        "nothing is asked. What fails later has an error in its own line of the result.",
        request=BatchSerializer,
        responses={status.HTTP_202_ACCEPTED: JobSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given = bodies.members(request.data, ("queries", "priority", *SHARED))
        priority = _priority(given.get("priority", Priority.NORMAL.value))
        queries = _queries(given)
        for name in {query.collection for _id, query in queries}:
            collections.get(name)
        principal = principal_of(request)
        quotas.spend(principal.name if principal else "", len(queries))
        run = dispatch.search_batch(queries=queries, priority=priority, actor=actor_of(request))
        location = {"Location": f"/api/v1/runs/{run.pk}/"}
        return Response(JobSerializer(run).data, status.HTTP_202_ACCEPTED, headers=location)


def _priority(value: Any) -> Priority:
    try:
        return Priority(value)
    except ValueError as exc:
        message = _("“priority” is %(seen)s: use one of %(names)s.") % {
            "seen": bodies.shown(value),
            "names": ", ".join(Priority),
        }
        raise bodies.wrong("priority", message) from exc


def _queries(given: dict[str, Any]) -> list[tuple[str | None, Query]]:
    rows = given.get("queries")
    if not isinstance(rows, list) or not 1 <= len(rows) <= batches.MOST_QUERIES:
        message = _("“queries” must be a list of 1 to %(most)d queries; %(seen)s was sent.") % {
            "most": batches.MOST_QUERIES,
            "seen": len(rows) if isinstance(rows, list) else bodies.shown(rows),
        }
        raise bodies.wrong("queries", message)
    defaults = {name: given[name] for name in SHARED if name in given}
    queries: list[tuple[str | None, Query]] = []
    problems: list[FieldProblem] = []
    for number, row in enumerate(rows):
        try:
            queries.append(_query(row, f"queries[{number}]", defaults))
        except InvalidInput as exc:
            problems += exc.problems
    if problems:
        message = _("%(count)d queries break a rule; nothing was asked.") % {
            "count": len(rows) - len(queries)
        }
        raise InvalidInput(message, problems=problems[:MOST_NAMED])
    return queries


def _query(row: Any, place: str, defaults: dict[str, Any]) -> tuple[str | None, Query]:
    body = {"query": row} if isinstance(row, str) else bodies.members(row, NAMED, place)
    name = body.get("id")
    if name is not None:
        name = bodies.text(body, "id", place, LONGEST_ID)
    own = {key: value for key, value in body.items() if key != "id"}
    return name, bodies.query_of(own, place=place, defaults=defaults)


class BatchStatus(APIView):
    """How far a batch is."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(summary="Look at a batch of searches", responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(JobSerializer(batches.job(job_id)).data)


class BatchResults(APIView):
    """What is there of the result."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(
        summary="Read the results of a batch, also while it works",
        description="A line of JSON for each query in the order asked: `index`, your `id`, "
        "`status` (`ok`, `failed`), then what a search answers, or the `error`.",
        parameters=[
            OpenApiParameter(
                "from", OpenApiTypes.INT, description="The first query to read, from 0."
            )
        ],
        responses={(200, batches.NDJSON): OpenApiResponse(OpenApiTypes.STR, "The lines.")},
    )
    def get(self, request: Request, job_id: UUID) -> StreamingHttpResponse:
        start = _start(request)
        return StreamingHttpResponse(
            _streamed(batches.job(job_id), start), content_type=batches.NDJSON
        )


def _streamed(run: Run, start: int) -> Iterator[bytes]:
    yield from batches.lines(run.pk, start)


def _start(request: Request) -> int:
    for seen in request.query_params:
        if seen != "from":
            message = _("There is no query parameter “%(seen)s” here; known is “from”.")
            raise bodies.wrong(seen[:60], message % {"seen": seen[:60]})
    given = request.query_params.get("from", "0")
    if given.isascii() and given.isdigit():
        return int(given[:9])
    message = _("“from” is %(seen)s: send a whole number.")
    raise bodies.wrong("from", message % {"seen": bodies.shown(given)})


class BatchCancel(APIView):
    """Stop a batch; what was answered stays readable."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(summary="Stop a batch of searches", request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: UUID) -> Response:
        runs.cancel(run_id=batches.job(job_id).pk, actor=actor_of(request))
        return Response(JobSerializer(batches.job(job_id)).data)
