"""What an operator can change about a shot, and within which limits.

These are the settings of the machine, the furnace and the cooling, as far as the family records
them. The features of kind "setpoint" are not among them: they are the alarm limits of the plant's
sensors, and moving an alarm limit makes no shot better. Results of the shot (cycle time, rise
times, biscuit) and the weather in the hall cannot be set.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from predictions.engine.explanation.counterfactual import Adjustable
from predictions.engine.signature import Signature

SETTINGS: tuple[str, ...] = (
    "Velocity_1",
    "Velocity_2",
    "Velocity_3",
    "High_Velocity",
    "Cylinder_Pressure",
    "Clamping_Force",
    "Casting_Pressure",
    "Spray_Time",
    "Spray_1_Time",
    "Spray_2_Time",
    "Melting_Furnace_Temp",
    "Coolant_Temp",
    "Coolant_Pressure",
)


def adjustables(
    signature: Signature, spread: NDArray[np.float64], names: Iterable[str] = SETTINGS
) -> list[Adjustable]:
    """Return what may be moved, each within the range that the version accepts.

    Parameters
    ----------
    signature : Signature
        Of the version; its ranges are the process limits.
    spread : float64 [n_features]
        Robust standard deviations in training: what counts as one step. A setting that never
        varied is left out, since nothing was learned of it.
    names : iterable of str
        Some of ``SETTINGS``.
    """
    columns = [signature.names.index(name) for name in names]
    return [
        Adjustable(
            column,
            signature.features[column].low,
            signature.features[column].high,
            float(spread[column]),
        )
        for column in columns
        if spread[column] > 0
    ]
