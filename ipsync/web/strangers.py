"""What strangers wrote, made fit for a page: one short line that shows what it is (F33).

Templates escape it all the same. Answers for programs hold the words as their authors wrote them.
"""

_LONGEST_LINE = 140
_LOOKED_AT = 2000


def short_title(title: str) -> str:
    """Give a title or a name short enough for a page, without characters that print nothing or turn the line around."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in title[:_LOOKED_AT]).split())
    return plain if len(plain) <= _LONGEST_LINE else f"{plain[: _LONGEST_LINE - 1]}…"
