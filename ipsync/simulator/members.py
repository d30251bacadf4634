"""Members of the simulated service, the application they authorize, and what they granted it."""

from dataclasses import dataclass, field

from ipsync.simulator import words
from ipsync.simulator.seeds import Seeds

_FIRST_USER_ID = 20_000
_USER_ID_STEP = 211


@dataclass(slots=True)
class Member:
    """Somebody with an account.

    Args:
        index: place among the members, from 0.
        user_id: five or six digits.
        cookie: value of the `member` cookie of their browser.
        largest_thumb: the largest picture, in pixels, that others are shown.
        download: whether others may have the original.
        friends, family: user ids of those whom this member calls so.
        blocked: user ids of those who may not see anything of this member (error 109).
        upload_share: privacy level of an upload that names none.
        location: where they say they live: `country`, `town`, `lat`, `lng`.
    """

    index: int
    user_id: int
    username: str
    realname: str
    cookie: str
    is_pro: bool
    largest_thumb: int
    download: bool
    joined_at: int
    friends: set[int] = field(default_factory=set)
    family: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    upload_share: int = 4
    closed: bool = False
    location: dict[str, str] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The member's name as it stands in addresses."""
        return self.username

    def shares_shown_to(self, viewer: "Member | None") -> int:
        """Return the privacy levels that `viewer` (None: an anonymous visitor) may see, as bits 0 to 4."""
        if viewer is None:
            return 0b10000
        if viewer.user_id == self.user_id:
            return 0b11111
        shown = 0b10000
        if viewer.user_id in self.friends:
            shown |= 0b01100
        if viewer.user_id in self.family:
            shown |= 0b01010
        return shown

    def profile(self) -> dict[str, str]:
        """Return what a test may know of the profile."""
        words = {"user_id": str(self.user_id), "username": self.username, "realname": self.realname}
        return words | {name: self.location.get(name, "") for name in ("town", "country")}

    def describe(self) -> dict[str, str]:
        """Return what a test or a demo needs to act as this member."""
        return {"user_id": str(self.user_id), "username": self.username, "cookie": self.cookie}


@dataclass(slots=True)
class Application:
    """The one application that has a key.

    Args:
        callback: where the web flow returns to; None: the application is a desktop one only.
        addresses: the only remote addresses it may call from (else error 111); None: any.
    """

    api_key: str
    secret: str
    name: str = "Demo application"
    callback: str | None = None
    addresses: frozenset[str] | None = None
    disabled: bool = False


@dataclass(slots=True)
class Token:
    """A member's permission for the application, until they revoke it."""

    value: str
    member: Member
    permissions: dict[str, str]


@dataclass(slots=True)
class Frob:
    """A slip of paper that turns into a token once, after a member has approved it.

    Args:
        expires_at: microseconds since the epoch.
        member: who approved; None until somebody did.
    """

    value: str
    expires_at: int
    member: Member | None = None
    permissions: dict[str, str] = field(default_factory=dict)


def _member(seeds: Seeds, index: int) -> Member:
    digest = seeds.digest("member", index)
    place = digest[4] % len(words.PLACES)
    town, latitude, longitude = words.PLACES[place]
    first = words.FIRST_NAMES[(digest[0] + index) % len(words.FIRST_NAMES)]
    last = words.LAST_NAMES[digest[1] % len(words.LAST_NAMES)]
    return Member(
        index=index,
        user_id=_FIRST_USER_ID + index * _USER_ID_STEP + int.from_bytes(digest[2:4], "big") % _USER_ID_STEP,
        username=f"{first.lower()}.{last.lower()}{index}",
        realname=f"{first} {last}",
        cookie=digest[8:20].hex(),
        is_pro=True,
        largest_thumb=(2048, 1024, 800)[index % 3],
        download=index % 2 == 0,
        joined_at=1_170_288_000 + index * 86_400,
        location={"country": words.COUNTRIES[place], "town": town, "lat": str(latitude), "lng": str(longitude)},
    )


def seeded_members(seeds: Seeds) -> list[Member]:
    """Return the members of a seeded world; each has the next as a friend and the one after as family."""
    members = [_member(seeds, index) for index in range(seeds.members)]
    for member in members:
        friend = members[(member.index + 1) % len(members)]
        relative = members[(member.index + 2) % len(members)]
        if friend is not member:
            member.friends.add(friend.user_id)
        if relative is not member and relative is not friend:
            member.family.add(relative.user_id)
    return members


def seeded_application(seeds: Seeds, callback: str | None = None) -> Application:
    """Return the application of a seeded world, its key of 32 digits and its secret of 16."""
    digest = seeds.digest("application", 0)
    return Application(api_key=digest[:16].hex(), secret=digest[16:24].hex(), callback=callback)
