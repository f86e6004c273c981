"""What the courier says of failures, in the language of whoever reads it.

The courier knows no Django and speaks English; what it says is kept as it came and told here.
"""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SAID: dict[str, Promise] = {
    "The address is malformed.": _("The address is malformed."),
    "The certificate of the receiver cannot be verified.": _(
        "The certificate of the receiver cannot be verified."
    ),
    "No TLS connection could be made.": _("No TLS connection could be made."),
    "The name of the host cannot be resolved.": _("The name of the host cannot be resolved."),
    "The receiver refuses the connection.": _("The receiver refuses the connection."),
    "The receiver does not answer in time.": _("The receiver does not answer in time."),
    "The connection broke.": _("The connection broke."),
    "The receiver redirects; enter the address it points to.": _(
        "The receiver redirects; enter the address it points to."
    ),
}
ANSWERS = re.compile(r"The receiver answers (\d+)\.")
PRIVATE = re.compile(r"(\S+) leads to a private or reserved address; .*")


def shown(said: str) -> str:
    """Return a complaint as people read it; what is not known here stays as it is."""
    if said in SAID:
        return str(SAID[said])
    if found := ANSWERS.fullmatch(said):
        return str(_("The receiver answers %(code)s.")) % {"code": found[1]}
    if found := PRIVATE.fullmatch(said):
        message = _(
            "%(host)s leads to a private or reserved address; an administrator can allow the host "
            "with MILLWRIGHT_ALERT_ALLOW_HOSTS."
        )
        return str(message) % {"host": found[1]}
    return said
