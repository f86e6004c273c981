"""Encryption of backup files: AES-256-GCM in frames, so that any size passes in bounded memory.

Each file has a key of its own, derived from the vault's key and a random salt (HKDF-SHA256). A
frame's nonce carries its number and whether it is the last one, so that frames cannot be left out,
exchanged or cut off unnoticed (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár,
CRYPTO 2015). The vault's key is random; the passphrase only wraps it (scrypt, RFC 7914).
"""

import base64
import os
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"MWSEAL1\n"
SALT_BYTES = 16
KEY_BYTES = 32
FRAME_BYTES = 1 << 20
TAG_BYTES = 16
#: RFC 7914 names n=2**14 for interactive use; a backup may take four times that (0.2 s, 64 MB).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**16, 8, 1


class SealBroken(ValueError):
    """The content is not what was sealed, or the key is not the one it was sealed with."""


@dataclass(frozen=True)
class Sealer:
    """Seals and opens files with one key of 32 bytes."""

    key: bytes

    def seal(self, source: BinaryIO, target: BinaryIO) -> None:
        """Write the sealed form of a stream."""
        salt = os.urandom(SALT_BYTES)
        cipher = self._cipher(salt)
        target.write(MAGIC + salt)
        number, frame = 0, source.read(FRAME_BYTES)
        while True:
            following = source.read(FRAME_BYTES)
            target.write(cipher.encrypt(_nonce(number, is_last=not following), frame, MAGIC))
            if not following:
                return
            number, frame = number + 1, following

    def open(self, source: BinaryIO, target: BinaryIO) -> None:
        """Write the content of a sealed stream.

        Raises
        ------
        SealBroken
            When the stream was changed, cut off, or sealed with another key.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 7 MB in a web process

        if source.read(len(MAGIC)) != MAGIC:
            raise SealBroken("the file does not begin as a sealed one does")
        cipher = self._cipher(source.read(SALT_BYTES))
        number, frame = 0, source.read(FRAME_BYTES + TAG_BYTES)
        while True:
            following = source.read(FRAME_BYTES + TAG_BYTES)
            try:
                content = cipher.decrypt(_nonce(number, is_last=not following), frame, MAGIC)
            except InvalidTag as exc:
                raise SealBroken(
                    f"frame {number} was changed, cut off or sealed with another key"
                ) from exc
            target.write(content)
            if not following:
                return
            number, frame = number + 1, following

    def _cipher(self, salt: bytes) -> Any:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - as above

        derived = HKDF(SHA256(), KEY_BYTES, salt, b"millwright backup file").derive(self.key)
        return _aes(derived)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def new_key(passphrase: str) -> tuple[Sealer, dict[str, Any]]:
    """Return a sealer with a random key, and the keyring that gives it back for a passphrase."""
    key, salt, nonce = os.urandom(KEY_BYTES), os.urandom(SALT_BYTES), os.urandom(12)
    wrapped = _aes(_stretched(passphrase, salt, SCRYPT_N)).encrypt(nonce, key, MAGIC)
    keyring = {"kdf": "scrypt", "n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P}
    texts = {"salt": salt, "nonce": nonce, "key": wrapped}
    return Sealer(key), keyring | {
        name: base64.b64encode(value).decode() for name, value in texts.items()
    }


def known_key(passphrase: str, keyring: dict[str, Any]) -> Sealer:
    """Return the sealer of a keyring.

    Raises
    ------
    SealBroken
        When the passphrase is wrong or the keyring damaged.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    try:
        salt, nonce, wrapped = (
            base64.b64decode(keyring[name], validate=True) for name in ("salt", "nonce", "key")
        )
        stretched = _stretched(passphrase, salt, int(keyring["n"]))
        return Sealer(_aes(stretched).decrypt(nonce, wrapped, MAGIC))
    except (InvalidTag, KeyError, TypeError, ValueError) as exc:
        raise SealBroken("the passphrase is wrong or the keyring is damaged") from exc


def _stretched(passphrase: str, salt: bytes, n: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415 - as above

    return Scrypt(salt, KEY_BYTES, n, SCRYPT_R, SCRYPT_P).derive(passphrase.encode())


def _aes(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    return AESGCM(key)
