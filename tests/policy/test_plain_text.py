"""Of a member's HTML only plain words are kept, whatever it claims to be."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.plain_text import LONGEST_TEXT, plain_text, shown_documents


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", ""),
        ("just words", "just words"),
        ("<p>One</p><p>Two<br>three</p>", "One\n\nTwo\nthree"),
        ("a < b && c > d", "a < b && c > d"),
        ("caf&eacute; &amp; cr&#232;me &#x1F4F7;", "café & crème \U0001f4f7"),
        ("<script>alert(1)</script>after", "after"),
        ("<SCRIPT src=x>alert(1)</ScRiPt >after", "after"),
        ("<style>p{}</style><iframe src=x>in</iframe>after", "after"),
        ('<a href="javascript:x()" onclick="y()">link</a>', "link"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<!-- hidden --><!DOCTYPE x><?php x ?>shown", "shown"),
        ("cut <b off", "cut"),
        ("cut <script>off", "cut"),
        ("cut <!-- off", "cut"),
        ("turned \u202eround\u2069 and \u200bthin", "turned round and thin"),
        ("nul\x00 bell\x07 tab\there", "nul bell tab here"),
        ("&#0;&#55296;&#99999999999;x", "\ufffd\ufffdx"),
    ],
)
def test_only_words_are_left(source: str, words: str) -> None:
    assert plain_text(source) == words


def test_what_looks_like_a_tag_after_unescaping_is_text_for_whoever_escapes_it() -> None:
    assert plain_text("&lt;script&gt;") == "<script>"


@given(st.text(alphabet=st.sampled_from("<>/!-ab &;#x\n\"'script\u202e\ud83d"), max_size=60))
def test_no_tag_and_nothing_unseen_gets_through(source: str) -> None:
    found = plain_text(source.encode("utf-8", "replace").decode())
    if "&" not in source:
        assert not re.search(r"<[a-zA-Z/!?]", found)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", found)


def test_a_hostile_text_costs_no_more_than_a_long_one() -> None:
    hostile = ("<", "<!--", "<a ", "<a>", "<script>", "&#x", "&", "<![CDATA[", " \n", "&#" + "9" * 5000)
    began = time.process_time()
    for part in hostile:
        assert len(plain_text(part * (400_000 // len(part)))) <= LONGEST_TEXT
    assert time.process_time() - began < 20, "seconds for ten texts; what grows with the square takes hours"


def test_documents_are_known_by_their_pages_and_by_nothing_else() -> None:
    source = (
        '<a href="https://www.ipernity.com/doc/olga/4711/in/album/3"><img src="/doc/31/12"></a>'
        "/doc/31/4711 /doc/31/0 /doc/31/abc /doc//5 /doc/31/99999999999999999999 /document/31/8"
    )
    assert shown_documents(source) == (4711, 12)
    assert len(shown_documents("".join(f"/doc/1/{number} " for number in range(1, 900)))) == 200
