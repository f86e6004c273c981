"""How long each phase of a campaign took, for its report and for estimates."""

from portal.runs.context import RunContext
from search.lab.engine.matrix import Cell
from search.lab.models import Campaign


def note(
    ctx: RunContext,
    campaign: Campaign,
    phase: str,
    cell: Cell,
    n_workers: int,
    wall_s: float,
    sum_s: float | None = None,
    longest_s: float | None = None,
) -> None:
    """Keep how long a phase took with the campaign.

    Parameters
    ----------
    cell : Cell
        Any of the corpus.
    wall_s : float
        From its first start to its last end.
    sum_s, longest_s : float or None
        Of the jobs it consisted of; None where it was one.

    Raises
    ------
    RunCancelled, LeaseLost
        As the run's context says.
    """
    facts = {
        "phase": phase,
        "scale": cell.scale,
        "dimension": cell.dimension,
        "n_workers": n_workers,
        "wall_s": round(wall_s, 3),
        "sum_s": round(wall_s if sum_s is None else sum_s, 3),
        "longest_s": round(wall_s if longest_s is None else longest_s, 3),
    }
    with ctx.fenced():
        known = Campaign.objects.values_list("phases", flat=True).get(pk=campaign.pk)
        Campaign.objects.filter(pk=campaign.pk).update(phases=[*known, facts])
