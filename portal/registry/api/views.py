"""Models, versions, history and promotions over HTTP; every rule is in the services."""

from typing import Any, cast

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from portal.core.api import StrictSerializer, actor_of, idempotent, scope
from portal.core.errors import NotFound
from portal.core.models import Scope
from portal.registry import selectors, services
from portal.registry.api.filtersets import (
    HistoryFilters,
    ModelFilters,
    PromotionFilters,
    VersionFilters,
)
from portal.registry.api.serializers import (
    AliasSerializer,
    ApproveSerializer,
    AskSerializer,
    AssignSerializer,
    ModelSerializer,
    MoveSerializer,
    PolicySerializer,
    PromotionSerializer,
    PromotionSummarySerializer,
    ReasonSerializer,
    RejectSerializer,
    RollbackInputSerializer,
    RollbackSerializer,
    VersionSerializer,
    VersionSummarySerializer,
    WithdrawSerializer,
)
from portal.registry.models import (
    Alias,
    AliasAssignment,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)

NAME = OpenApiParameter(
    "name", OpenApiTypes.STR, OpenApiParameter.PATH, description="Name of the model."
)
READ = scope(Scope.READ, "registry.view_registeredmodel")
# Whoever may look may try; what an account may do the services decide, and record when they refuse.
ACT = scope(Scope.PROMOTE, "registry.view_promotionrequest")


def given(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Return the body as the serializer checked it."""
    wanted = kind(data=request.data)
    wanted.is_valid(raise_exception=True)
    return cast(dict[str, Any], wanted.validated_data)


def model_named(name: str) -> RegisteredModel:
    """Return a model by name, or raise :class:`NotFound`."""
    model = RegisteredModel.objects.filter(name=name).first()
    if model is None:
        raise NotFound(_("There is no model “%(name)s”.") % {"name": name})
    return model


def version_numbered(model: RegisteredModel, number: int) -> ModelVersion:
    """Return a version by number, or raise :class:`NotFound`."""
    version = model.versions.select_related("model", "evaluation_set").filter(number=number).first()
    if version is None:
        raise NotFound(
            _("“%(model)s” has no version %(number)d.") % {"model": model.name, "number": number}
        )
    return version


class Models(ListModelMixin, RetrieveModelMixin, GenericViewSet[RegisteredModel]):
    """Registered models and where their aliases point."""

    queryset = RegisteredModel.objects.prefetch_related("aliases__version")
    serializer_class = ModelSerializer
    filterset_class = ModelFilters
    ordering_fields = ("name", "created_at")
    lookup_field = "name"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    def get_permissions(self) -> list[BasePermission]:
        if self.action == "gate_policy":
            return [scope(Scope.ADMIN, "registry.change_registeredmodel")()]
        return [ACT() if self.action in {"rollback", "break_glass"} else READ()]

    @extend_schema(request=RollbackInputSerializer, responses={200: RollbackSerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def rollback(self, request: Request, name: str) -> Response:
        """Go back to the previous champion, or an earlier one, and quarantine the present one."""
        wanted = given(RollbackInputSerializer, request)
        model = model_named(name)
        done = services.rollback(
            model=model,
            reason=wanted["reason"],
            actor=actor_of(request),
            to=version_numbered(model, wanted["to"]) if wanted["to"] else None,
        )
        return Response(RollbackSerializer(done).data)

    @extend_schema(request=AskSerializer, responses={200: MoveSerializer})
    @action(detail=True, methods=["post"], url_path="break-glass")
    @idempotent
    def break_glass(self, request: Request, name: str) -> Response:
        """Put a version live without approval, in an emergency; it takes its own permission."""
        wanted = given(AskSerializer, request)
        move = services.break_glass(
            version=version_numbered(model_named(name), wanted["version"]),
            reason=wanted["reason"],
            actor=actor_of(request),
        )
        return Response(MoveSerializer(move).data)

    @extend_schema(request=PolicySerializer, responses={200: ModelSerializer})
    @action(detail=True, methods=["put"], url_path="gate-policy")
    def gate_policy(self, request: Request, name: str) -> Response:
        """Change what the gate looks at; a live request judged by the old policy becomes void."""
        wanted = given(PolicySerializer, request)
        model = services.set_gate_policy(model=model_named(name), actor=actor_of(request), **wanted)
        return Response(ModelSerializer(model).data)


@extend_schema(parameters=[NAME])
class Versions(ListModelMixin, RetrieveModelMixin, GenericViewSet[ModelVersion]):
    """The immutable versions of a model, newest first."""

    queryset = ModelVersion.objects.none()
    serializer_class = VersionSerializer
    filterset_class = VersionFilters
    ordering_fields = ("created_at", "number")
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.action in {"quarantine", "release"} else READ()]

    def get_queryset(self) -> QuerySet[ModelVersion]:
        if "name" not in self.kwargs:
            return ModelVersion.objects.none()  # the OpenAPI generator calls without an address
        versions = ModelVersion.objects.filter(model=model_named(self.kwargs["name"]))
        versions = versions.select_related("model", "evaluation_set").prefetch_related("aliases")
        if self.action == "retrieve":
            versions = versions.prefetch_related(
                "version_artifacts__artifact", "gate_evaluations__champion"
            )
        return versions

    def get_serializer_class(self) -> type[VersionSummarySerializer]:
        return VersionSummarySerializer if self.action == "list" else VersionSerializer

    @extend_schema(request=ReasonSerializer, responses={200: VersionSerializer})
    @action(detail=True, methods=["post"])
    def quarantine(self, request: Request, name: str, number: str) -> Response:
        """Bar a version that no alias points at from going live."""
        version = services.quarantine(
            version=version_numbered(model_named(name), int(number)),
            actor=actor_of(request),
            **given(ReasonSerializer, request),
        )
        return Response(VersionSerializer(version).data)

    @extend_schema(request=ReasonSerializer, responses={200: VersionSerializer})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, name: str, number: str) -> Response:
        """Lift a quarantine; the version goes live by a promotion only."""
        version = services.release(
            version=version_numbered(model_named(name), int(number)),
            actor=actor_of(request),
            **given(ReasonSerializer, request),
        )
        return Response(VersionSerializer(version).data)


@extend_schema(parameters=[NAME])
class History(ListModelMixin, GenericViewSet[AliasMove]):
    """Every move of a model's aliases, newest first; with ``at``, what was live in that moment."""

    queryset = AliasMove.objects.none()
    serializer_class = MoveSerializer
    filterset_class = HistoryFilters
    permission_classes = (READ,)
    ordering_fields = ("id",)

    def get_queryset(self) -> QuerySet[AliasMove]:
        if "name" not in self.kwargs:
            return AliasMove.objects.none()  # the OpenAPI generator calls without an address
        return selectors.history(model_named(self.kwargs["name"]))


@extend_schema(parameters=[NAME])
class Aliases(GenericViewSet[AliasAssignment]):
    """One alias of a model. The champion can be read here and never written."""

    queryset = AliasAssignment.objects.none()
    serializer_class = AliasSerializer
    lookup_field = "alias"
    lookup_value_regex = "[a-z]{1,20}"
    pagination_class = None

    def get_permissions(self) -> list[BasePermission]:
        return [READ() if self.action == "retrieve" else ACT()]

    @extend_schema(responses={200: AliasSerializer})
    def retrieve(self, request: Request, name: str, alias: str) -> Response:
        """Show where an alias points."""
        found = (
            AliasAssignment.objects.filter(model=model_named(name), alias=alias)
            .select_related("version")
            .first()
        )
        if found is None:
            raise NotFound(_("“%(model)s” has no %(alias)s.") % {"model": name, "alias": alias})
        return Response(AliasSerializer(found).data)

    @extend_schema(request=AssignSerializer, responses={200: MoveSerializer})
    def update(self, request: Request, name: str, alias: str) -> Response:
        """Point the challenger or shadow at a version, or with null at none."""
        return self._assign(request, name, alias)

    @extend_schema(request=AssignSerializer, responses={200: MoveSerializer})
    def partial_update(self, request: Request, name: str, alias: str) -> Response:
        """Point the challenger or shadow at a version, or with null at none."""
        return self._assign(request, name, alias)

    def http_method_not_allowed(  # type: ignore[override]  # the framework hands its own request
        self, request: Request, *args: Any, **kwargs: Any
    ) -> Response:
        """Refuse other methods; on the champion that is an attempt worth a record."""
        if kwargs.get("alias") == Alias.CHAMPION:
            services.refuse_champion(model=model_named(kwargs["name"]), actor=actor_of(request))
        return super().http_method_not_allowed(request, *args, **kwargs)

    def _assign(self, request: Request, name: str, alias: str) -> Response:
        model = model_named(name)
        if alias == Alias.CHAMPION:
            services.refuse_champion(model=model, actor=actor_of(request))
        wanted = given(AssignSerializer, request)
        number = wanted["version"]
        move = services.assign_alias(
            model=model,
            alias=alias,
            version=version_numbered(model, number) if number else None,
            reason=wanted["reason"],
            actor=actor_of(request),
        )
        return Response(MoveSerializer(move).data)


PROMOTIONS = PromotionRequest.objects.select_related(
    "model", "candidate", "champion", "requested_by", "gate__champion"
).prefetch_related("decisions__decided_by")


@extend_schema(parameters=[NAME])
class ModelPromotions(ListModelMixin, GenericViewSet[PromotionRequest]):
    """Promotion requests of one model, newest first."""

    queryset = PROMOTIONS
    serializer_class = PromotionSummarySerializer
    filterset_class = PromotionFilters
    ordering_fields = ("created_at",)

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.action == "create" else READ()]

    def get_queryset(self) -> QuerySet[PromotionRequest]:
        if "name" not in self.kwargs:
            return PROMOTIONS.none()  # the OpenAPI generator calls without an address
        return PROMOTIONS.filter(model=model_named(self.kwargs["name"]))

    @extend_schema(request=AskSerializer, responses={201: PromotionSerializer})
    @idempotent
    def create(self, request: Request, name: str) -> Response:
        """Ask for a version to become champion: it is judged now and the evidence frozen."""
        wanted = given(AskSerializer, request)
        made = services.request_promotion(
            version=version_numbered(model_named(name), wanted["version"]),
            reason=wanted["reason"],
            actor=actor_of(request),
        )
        return Response(
            PromotionSerializer(made).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/promotions/{made.pk}/"},
        )


class Promotions(ListModelMixin, RetrieveModelMixin, GenericViewSet[PromotionRequest]):
    """Promotion requests of all models, and the steps on one."""

    queryset = PROMOTIONS
    serializer_class = PromotionSerializer
    filterset_class = PromotionFilters
    ordering_fields = ("created_at",)
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_permissions(self) -> list[BasePermission]:
        return [READ() if self.action in {"list", "retrieve"} else ACT()]

    def get_serializer_class(self) -> type[PromotionSummarySerializer]:
        return PromotionSummarySerializer if self.action == "list" else PromotionSerializer

    @extend_schema(request=ApproveSerializer, responses={200: PromotionSerializer})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve the evidence of this digest; neither one's own request nor one's own run."""
        return self._step(services.approve, ApproveSerializer, request, pk)

    @extend_schema(request=RejectSerializer, responses={200: PromotionSerializer})
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Close the request with a no."""
        return self._step(services.reject, RejectSerializer, request, pk)

    @extend_schema(request=ApproveSerializer, responses={200: PromotionSerializer})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Put the approved version live; everything is checked again."""
        return self._step(services.apply, ApproveSerializer, request, pk)

    @extend_schema(request=WithdrawSerializer, responses={200: PromotionSerializer})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take one's own request back."""
        return self._step(services.withdraw, WithdrawSerializer, request, pk)

    def _step(
        self, service: Any, kind: type[StrictSerializer], request: Request, pk: str
    ) -> Response:
        wanted = given(kind, request)
        service(request_id=pk, actor=actor_of(request), **wanted)
        return Response(PromotionSerializer(self.get_object()).data)
