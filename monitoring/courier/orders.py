"""What the portal asks of the courier, and what it reports back: one JSON object a line."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    """One message to carry.

    Attributes
    ----------
    id
        Comes back with the report; receivers see the id of the message in ``content``.
    kind
        ``slack``, ``teams``, ``mail``, ``webhook``, ``reply`` for JSON as it is, or ``ping`` for a
        bare GET.
    address
        Where to; secret.
    content
        What is said, as the portal wrote it.
    secret
        Signs what a webhook is sent; empty when nothing is signed.
    timeout_s
        How long each step of the network may take.
    """

    id: str
    kind: str
    address: str
    content: dict[str, Any] = field(default_factory=dict)
    secret: str = ""
    timeout_s: float = 10.0

    def to_dict(self) -> dict[str, Any]:
        """Return the order as it is written."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What became of an order.

    Attributes
    ----------
    is_delivered
        Whether the receiver took it.
    is_final
        Whether trying again makes no sense.
    status_code
        The answer's, where there was one.
    retry_after_s
        How long the receiver asked to wait.
    error
        Why it was not delivered; holds no secret.
    """

    id: str
    is_delivered: bool
    is_final: bool = False
    status_code: int | None = None
    retry_after_s: float | None = None
    error: str = ""
    duration_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as it is written."""
        return asdict(self)
