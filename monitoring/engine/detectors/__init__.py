"""The detectors by name; one a file, all behind the contract of :mod:`contract`."""

from collections.abc import Mapping

from monitoring.engine.detectors.adwin import ADWIN
from monitoring.engine.detectors.chi_square import CHI_SQUARE
from monitoring.engine.detectors.contract import Detector, Fitted
from monitoring.engine.detectors.jensen_shannon import JENSEN_SHANNON
from monitoring.engine.detectors.kl import KL
from monitoring.engine.detectors.kolmogorov_smirnov import KOLMOGOROV_SMIRNOV
from monitoring.engine.detectors.mmd import MMD
from monitoring.engine.detectors.page_hinkley import PAGE_HINKLEY
from monitoring.engine.detectors.psi import PSI
from monitoring.engine.detectors.wasserstein import WASSERSTEIN
from monitoring.engine.reference import Column

__all__ = ["COLUMN", "JOINT", "Detector", "Fitted"]

#: Detectors of one column.
COLUMN: Mapping[str, Detector[Column]] = {
    one.name: one
    for one in (
        KL,
        PSI,
        JENSEN_SHANNON,
        CHI_SQUARE,
        KOLMOGOROV_SMIRNOV,
        WASSERSTEIN,
        PAGE_HINKLEY,
        ADWIN,
    )
}
#: The detector of whole rows.
JOINT = MMD()
