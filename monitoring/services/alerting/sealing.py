"""Addresses and secrets of channels, sealed in the database: whoever copies it cannot read them.

The key is derived from SECRET_KEY, so a backup of the database alone does not open them. Secrets
sealed under a former key (MILLWRIGHT_OLD_SECRET_KEYS) still open.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Unavailable

PURPOSE = b"millwright alert channels"
KEY_BYTES = 32


def seal(text: str) -> str:
    """Return a text in a form that only this portal can read."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Return a sealed text.

    Raises
    ------
    Unavailable
        When it was sealed under a key that the portal no longer knows.
    """
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as exc:
        raise Unavailable(
            _(
                "The address of the channel was sealed under another SECRET_KEY: add that one to "
                "MILLWRIGHT_OLD_SECRET_KEYS, or enter the address anew."
            ),
            code="seal_unknown",
        ) from exc


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE)
    return base64.urlsafe_b64encode(kdf.derive(key.encode()))
