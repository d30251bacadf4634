"""Calls and links are signed as the service publishes it."""

import pytest

from ipsync.simulator.signature import is_signed, sign

KEY = "6fa87ba500002712bd4eed6020f3bd72"
SECRET = "e9a599f0cf6ce193"


@pytest.mark.parametrize(
    ("method", "params", "signature"),
    [
        ("doc.tags.add", {"doc_id": "1234", "keywords": "easy"}, "a269b218feb341ef03bc093a0f2c8078"),
        ("", {"perm_network": "read"}, "da183021cd39461108770b822fcd9398"),
    ],
)
def test_the_published_vectors(method: str, params: dict[str, str], signature: str) -> None:
    assert sign({**params, "api_key": KEY}, SECRET, method) == signature


def test_neither_order_nor_file_nor_signature_matter() -> None:
    params = {"b": "2", "a": "1", "api_key": KEY}
    signature = sign(params, SECRET, "test.echo")
    assert sign(dict(sorted(params.items())), SECRET, "test.echo") == signature
    assert sign({**params, "file": "x", "api_sig": "y"}, SECRET, "test.echo") == signature
    assert is_signed({**params, "api_sig": signature}, SECRET, "test.echo")


@pytest.mark.parametrize("wrong", ["", "0" * 32, "é"])
def test_a_wrong_signature_is_seen(wrong: str) -> None:
    assert not is_signed({"api_key": KEY, "api_sig": wrong}, SECRET, "test.echo")


def test_text_is_signed_as_utf8() -> None:
    assert sign({"echo": "é"}, SECRET, "test.echo") != sign({"echo": "e"}, SECRET, "test.echo")
