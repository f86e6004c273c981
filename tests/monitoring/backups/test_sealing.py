"""Sealed files: what comes out is what went in, or an error."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.services.backups import sealing
from monitoring.services.backups.sealing import FRAME_BYTES, TAG_BYTES, SealBroken, Sealer

KEY = Sealer(b"k" * 32)
HEAD_BYTES = len(sealing.MAGIC) + sealing.SALT_BYTES


def sealed(content: bytes) -> bytes:
    target = io.BytesIO()
    KEY.seal(io.BytesIO(content), target)
    return target.getvalue()


def opened(data: bytes, sealer: Sealer = KEY) -> bytes:
    target = io.BytesIO()
    sealer.open(io.BytesIO(data), target)
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1])
def test_any_size_comes_back(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)

    assert opened(sealed(content[:size])) == content[:size]


def test_equal_contents_are_sealed_differently() -> None:
    assert sealed(b"the same") != sealed(b"the same")


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
@settings(max_examples=50, deadline=None)
def test_a_single_changed_bit_is_noticed(position: int, bit: int) -> None:
    data = bytearray(sealed(b"content of a backup"))
    data[position % len(data)] ^= 1 << bit

    with pytest.raises(SealBroken):
        opened(bytes(data))


def test_a_file_cut_off_between_frames_is_noticed() -> None:
    whole = sealed(b"x" * (FRAME_BYTES + 10))

    with pytest.raises(SealBroken, match="frame 0"):
        opened(whole[: HEAD_BYTES + FRAME_BYTES + TAG_BYTES])


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        opened(sealed(b"content"), Sealer(b"o" * 32))


def test_a_passphrase_gives_the_key_back_and_another_does_not() -> None:
    sealer, keyring = sealing.new_key("correct horse battery")

    assert sealing.known_key("correct horse battery", keyring) == sealer
    with pytest.raises(SealBroken, match="passphrase is wrong"):
        sealing.known_key("correct horse batterY", keyring)


def test_a_damaged_keyring_is_an_error_of_its_own_kind() -> None:
    with pytest.raises(SealBroken):
        sealing.known_key("correct horse battery", {"salt": "é"})
