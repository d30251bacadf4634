"""Tokens at rest (T05)."""

import pytest

from ipsync.catalog.sealing import Sealing
from ipsync.ports.catalog import CatalogCorrupt

SEALING = Sealing(b"a key")


def test_T05_a_sealed_token_opens_for_its_account_and_key_only() -> None:
    sealed = SEALING.seal(7, "token \N{GREEK SMALL LETTER OMEGA}")
    assert SEALING.open(7, sealed) == "token \N{GREEK SMALL LETTER OMEGA}"
    assert Sealing(b"a key").open(7, sealed) == "token \N{GREEK SMALL LETTER OMEGA}"
    for sealing, account_id in ((SEALING, 8), (Sealing(b"another key"), 7)):
        with pytest.raises(CatalogCorrupt):
            sealing.open(account_id, sealed)


def test_T05_no_altered_byte_goes_unnoticed() -> None:
    sealed = SEALING.seal(7, "token")
    for index in range(len(sealed)):
        altered = bytearray(sealed)
        altered[index] ^= 1
        with pytest.raises(CatalogCorrupt):
            SEALING.open(7, bytes(altered))
    for length in range(len(sealed)):
        with pytest.raises(CatalogCorrupt):
            SEALING.open(7, sealed[:length])


def test_T05_the_same_token_is_sealed_differently_each_time() -> None:
    assert SEALING.seal(7, "token") != SEALING.seal(7, "token")
    assert b"token" not in SEALING.seal(7, "token")


def test_fingerprints_depend_on_token_and_key() -> None:
    assert SEALING.fingerprint("token") == Sealing(b"a key").fingerprint("token")
    assert len({SEALING.fingerprint("token"), SEALING.fingerprint("other"), Sealing(b"x").fingerprint("token")}) == 3


def test_the_proof_recognizes_the_key_and_is_no_key() -> None:
    SEALING.check(Sealing(b"a key").proof)
    with pytest.raises(CatalogCorrupt):
        SEALING.check(Sealing(b"another key").proof)
    assert len({SEALING.proof, SEALING.fingerprint("token"), SEALING.fingerprint("")}) == 3


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="state_key"):
        Sealing(b"")
