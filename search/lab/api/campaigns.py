"""Campaigns of the lab: start one, follow it, let it rest, go on, stop it."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import actor_of, idempotent, scope
from portal.core.api.permissions import EitherScope
from search.lab import dispatch
from search.lab.api.shapes import (
    AXES,
    CampaignSerializer,
    ListedCampaignSerializer,
    NewCampaignSerializer,
)
from search.lab.models import Campaign
from search.lab.services import campaigns

VIEW, ADD, CHANGE = "lab.view_campaign", "lab.add_campaign", "lab.change_campaign"


class MayLook(EitherScope):
    """Let through keys that read and keys that measure."""

    scope_name = "read"
    other_scope_name = "benchmark"
    permission = VIEW


class CampaignList(generics.ListAPIView[Campaign]):
    """Campaigns, the latest first."""

    queryset = Campaign.objects.select_related("created_by")
    serializer_class = ListedCampaignSerializer
    filterset_fields = ("name", "collection")
    ordering_fields = ("created_at", "name")
    ordering = "-created_at"

    def get_permissions(self) -> list[Any]:
        if self.request.method == "POST":
            return [scope("benchmark", ADD)()]
        return [MayLook()]

    @extend_schema(
        summary="Measure search engines over a matrix",
        description="Every combination of the axes is a cell. Indexes are built and cells "
        "measured in a worker, one checkpoint a cell; axes left out have the profile's values.",
        request=NewCampaignSerializer,
        responses={status.HTTP_202_ACCEPTED: CampaignSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = NewCampaignSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        collection = given["collection"]
        campaign = dispatch.start(
            plan=campaigns.matrix(
                {name: given[name] for name in AXES if name in given},
                profile=given["profile"],
                collection=collection,
            ),
            name=given["name"],
            actor=actor_of(request),
            wishes=_wishes(given),
            collection=collection,
            only_builds=given["only_builds"],
            timed_builds=given["timed_builds"],
        )
        return _accepted(campaign)


def _wishes(given: dict[str, Any]) -> campaigns.Wishes:
    return campaigns.Wishes(
        n_workers=campaigns.wanted_workers(
            is_parallel=given["parallel"], n_workers=given["workers"]
        ),
        memory_mb=given["max_memory_mb"],
        seed=given["seed"],
        clients=given.get("clients", campaigns.Wishes.clients),
        n_passes=given["passes"],
        max_tries=given["tries"],
    )


def _accepted(campaign: Campaign) -> Response:
    """Return 202 with the run's address, and the campaign in the body."""
    campaign = campaigns.get(campaign.pk)
    headers = {"Location": f"/api/v1/runs/{campaign.run_id}/"}
    return Response(CampaignSerializer(campaign).data, status.HTTP_202_ACCEPTED, headers=headers)


class CampaignDetail(APIView):
    """One campaign."""

    permission_classes = [MayLook]

    @extend_schema(summary="Look at a campaign", responses=CampaignSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(CampaignSerializer(campaigns.get(pk)).data)


class CampaignPause(APIView):
    """Let a campaign rest."""

    permission_classes = [scope("benchmark", CHANGE)]

    @extend_schema(
        summary="Pause a campaign",
        description="The process at work is ended: at most the build or the pass in hand is lost.",
        request=None,
        responses=CampaignSerializer,
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        campaigns.pause(campaign=campaigns.get(pk))
        return Response(CampaignSerializer(campaigns.get(pk)).data)


class CampaignResume(APIView):
    """Go on with the cells that are left."""

    permission_classes = [scope("benchmark", CHANGE)]

    @extend_schema(
        summary="Resume a campaign",
        description="Measures the cells that are left; failed ones are tried again.",
        request=None,
        responses={status.HTTP_202_ACCEPTED: CampaignSerializer},
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        campaign = campaigns.get(pk)
        dispatch.resume(campaign=campaign, actor=actor_of(request))
        return _accepted(campaign)


class CampaignCancel(APIView):
    """Stop a campaign."""

    permission_classes = [scope("benchmark", CHANGE)]

    @extend_schema(
        summary="Cancel a campaign",
        description="What is measured stays; it can be resumed.",
        request=None,
        responses=CampaignSerializer,
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        campaigns.cancel(campaign=campaigns.get(pk), actor=actor_of(request))
        return Response(CampaignSerializer(campaigns.get(pk)).data)
