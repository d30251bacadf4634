"""F28: database and store belong together, or one of them was put back."""

import pytest

from ipsync.policy.belonging import belong_together, words_of


@pytest.mark.parametrize(
    ("noted", "marked", "belongs"),
    [
        (None, None, True),  # both are new
        ("2-b", "2-b", True),
        ("2-b 1-a", "1-a", True),  # a crash before the store got the new word
        ("2-b 1-a", "2-b", True),  # and after it
        ("2-b", "1-a", False),  # an older store
        ("1-a", "2-b", False),  # an older database
        ("1-a", None, False),  # another store, or none
        (None, "1-a", False),  # another database
        ("12-b", "2-b", False),
    ],
)
def test_F28_what_belongs_together(noted: str | None, marked: str | None, belongs: bool) -> None:
    assert belong_together(noted, marked) is belongs


def test_while_the_word_changes_either_is_right() -> None:
    assert words_of("2-b", "1-a") == "2-b 1-a"
    assert words_of("1-a", "") == "1-a"
