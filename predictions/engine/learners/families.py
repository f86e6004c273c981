"""The learners a quality model can be made with."""

from collections.abc import Mapping

from portal.lib.coded import gettext_noop
from predictions.engine.learners import (
    extra_trees,
    gradient_boosting,
    histogram,
    logistic,
    stacking,
)
from predictions.engine.learners.contract import Family

DEFAULT_LEARNER = "gradient_boosting"

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            DEFAULT_LEARNER,
            gettext_noop("Gradient boosting"),
            gettext_noop("Trees fitted one after the other, each on what the others left over."),
            gradient_boosting.fit,
            gradient_boosting.restore,
        ),
        Family(
            "histogram_boosting",
            gettext_noop("Histogram boosting"),
            gettext_noop(
                "Boosting on binned values, its trees grown leaf by leaf, as LightGBM does. Fast "
                "with many shots."
            ),
            histogram.fit,
            histogram.restore,
        ),
        Family(
            "extra_trees",
            gettext_noop("Extra trees"),
            gettext_noop("Trees with random splits, twice the given depth, averaged."),
            extra_trees.fit,
            extra_trees.restore,
        ),
        Family(
            "logistic_regression",
            gettext_noop("Logistic regression"),
            gettext_noop("A weighted sum of robustly scaled features."),
            logistic.fit,
            logistic.restore,
        ),
        Family(
            "stacking",
            gettext_noop("Stacking"),
            gettext_noop(
                "A weighted sum of gradient boosting, extra trees and logistic regression, the "
                "weights fitted on shots they had not seen. Takes about six times as long."
            ),
            stacking.fit,
            stacking.restore,
        ),
    )
}
