"""What is kept of a profile, and that nothing else gets into it."""

from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.profiles import ProfileWords, profile_words

words = st.text(max_size=40)


@given(st.builds(ProfileWords, words, words, words, words))
def test_words_are_read_as_they_were_kept(known: ProfileWords) -> None:
    assert profile_words(known.as_text()) == known


def test_what_is_no_profile_says_nothing_and_no_word_is_endless() -> None:
    for text in ("", "[]", "null", '"town"', "{", '{"lat": "45.9", "town": 3}'):
        assert profile_words(text) == ProfileWords()
    assert len(profile_words(ProfileWords(town="x" * 10_000).as_text()).town) == 1000
    assert "Gent" not in repr(ProfileWords(town="Gent"))
