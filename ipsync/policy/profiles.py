"""A member's profile, of which little is kept: the names they go by, and the place they name (T06, T09). Pure.

It is an entry (`policy.entries`) whose text is these words as JSON. No coordinates, no picture, no count of anything.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

_LONGEST_WORD = 1000


@dataclass(frozen=True, slots=True)
class ProfileWords:
    """What a member tells of themselves, as ipernity shows it to everybody.

    Attributes:
        alias: the name in the addresses of their pages.
    """

    realname: str = field(default="", repr=False)
    alias: str = field(default="", repr=False)
    town: str = field(default="", repr=False)
    country: str = field(default="", repr=False)

    def as_text(self) -> str:
        """The words as an entry keeps them; each is cut where it is absurdly long."""
        words: Mapping[str, str] = {name: word[:_LONGEST_WORD] for name, word in asdict(self).items() if word}
        return json.dumps(words, ensure_ascii=False, sort_keys=True)


def profile_words(text: str) -> ProfileWords:
    """The words that an entry keeps; what is none of them says nothing."""
    try:
        found = json.loads(text)
    except ValueError:
        return ProfileWords()
    known = {one.name for one in fields(ProfileWords)}
    words = found if isinstance(found, dict) else {}
    return ProfileWords(**{name: word for name, word in words.items() if name in known and isinstance(word, str)})
