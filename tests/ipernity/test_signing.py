"""The signature: both published vectors, and what the simulator computes."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from ipsync.ipernity.signing import signature, signed, signed_link
from ipsync.simulator import sign

KEY = "6fa87ba500002712bd4eed6020f3bd72"
SECRET = "e9a599f0cf6ce193"


def test_the_published_vector_of_a_call() -> None:
    params = {"api_key": KEY, "doc_id": "1234", "keywords": "easy"}
    assert signature(params, SECRET, "doc.tags.add") == "a269b218feb341ef03bc093a0f2c8078"


def test_the_published_vector_of_an_authorization_link() -> None:
    params = {"api_key": KEY, "perm_network": "read"}
    assert signature(params, SECRET) == "da183021cd39461108770b822fcd9398"


def test_a_link_carries_its_signature_and_not_the_secret() -> None:
    link = signed_link("https://www.ipernity.com/apps/authorize", {"api_key": KEY, "perm_network": "read"}, SECRET)
    assert parse_qs(urlsplit(link).query) == {
        "api_key": [KEY],
        "perm_network": ["read"],
        "api_sig": ["da183021cd39461108770b822fcd9398"],
    }
    assert SECRET not in link
    assert signed_link("https://example.org/?a=b", {"c": "d&e"}, SECRET).startswith("https://example.org/?a=b&c=d%26e&")


def test_signing_leaves_the_parameters_as_they_were() -> None:
    params = {"b": "2", "a": "1"}
    assert signed(params, SECRET, "test.echo").keys() == {"a", "b", "api_sig"}
    assert params == {"b": "2", "a": "1"}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=6), st.text(max_size=12))
def test_the_service_computes_the_same(params: dict[str, str], method: str) -> None:
    assert signature(params, SECRET, method) == sign(params, SECRET, method)
