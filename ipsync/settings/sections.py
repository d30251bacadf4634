"""The sections of the configuration file: every setting, its unit, its default and its reason (design §8).

Frozen, and unknown keys are refused. What one value alone can show to be wrong is refused here; what
takes two sections to see is in `checking.py`. Durations are microseconds, sizes bytes.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ipsync.policy.documents import RENDITIONS, Media, Safety, Visibility
from ipsync.policy.entries import CONTENT_KINDS
from ipsync.policy.instants import DAY, MILLISECOND, SECOND, Duration, Instant
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse
from ipsync.policy.quota import LARGEST_FILE_BYTES
from ipsync.settings import addresses, units
from ipsync.settings.notify_section import Notify
from ipsync.settings.problems import Unfit, shown
from ipsync.settings.secret_files import SecretFiles
from ipsync.settings.section import Section
from ipsync.settings.web_section import Web

TERMS_VERSION = "2017-11-28"
LONGEST_WINDOW: Duration = DAY
LONGEST_TTL: Duration = 3650 * DAY

CONTENT = {word: word for word in ("documents", *CONTENT_KINDS)}
VISIBILITY = {level.word: level for level in sorted(Visibility, reverse=True)}
MEDIA = {media.value: media for media in Media}
SAFETY = {level.name.lower().replace("_", "-"): level for level in Safety}
LICENSE_WORDS = {entry.name.partition(" (")[0].lower().replace(" ", "-"): number for number, entry in LICENSES.items()}
ANY_LICENSE = "any"

TESTING = "awaiting-validation"
ACTIVE = "active"
USES = {use.value: use for use in KeyUse}
STATUSES = {status: status for status in (ACTIVE, TESTING)}
PURGE = "purge"
SEAL = "seal"
KEEP = "keep"
ON_DEMAND = "on-demand"


def _names(*values: str) -> dict[str, str]:
    return {value: value for value in values}


def _words_of(table: dict[str, Any]) -> units.Unit:
    back = {value: word for word, value in table.items()}
    return units.Unit(units.WORDS.name, lambda values: [back[value] for value in values])


def _read_terms(value: object) -> str:
    if str(value) != TERMS_VERSION:
        found = "not accepted" if value == "" else f"accepted in the version {shown(str(value))}, which is not theirs"
        raise Unfit(
            f"the terms of the ipernity API are {found}",
            f'read the "Conditions of use of the ipernity API" at www.ipernity.com; if you accept the version '
            f'of {TERMS_VERSION}, write terms_accepted = "{TERMS_VERSION}"',
        )
    return TERMS_VERSION


def _read_content(value: object) -> tuple[str, ...]:
    words: tuple[str, ...] = units.words(CONTENT)(value)
    for word, needed in (("documents", "documents"), ("folders", "albums")):
        if needed not in words and (word in words or word == needed):
            raise Unfit(
                f"leaves out {needed}" if word == needed else f"names {word} without {needed}",
                f'add "{needed}": albums, folders and articles are shown with the documents that may be shown',
            )
    return words


def _read_licenses(value: object) -> tuple[int, ...] | None:
    """Read license names or numbers; None stands for any."""
    if value == ANY_LICENSE or value == [ANY_LICENSE]:
        return None
    remedy = f'write "{ANY_LICENSE}", or a list of {units.listed(LICENSE_WORDS)} or of ipernity\'s license numbers'
    if not isinstance(value, list) or not value:
        raise Unfit(f"is {shown(value)}", remedy)
    found: list[int] = []
    for entry in value:
        number = LICENSE_WORDS.get(entry) if isinstance(entry, str) else entry
        if isinstance(number, bool) or not isinstance(number, int) or number not in LICENSES:
            hint = units.likely(entry, LICENSE_WORDS) if isinstance(entry, str) else ""
            raise Unfit(f"holds {shown(entry)}, which is no license of ipernity{hint}", remedy)
        found.append(number)
    return tuple(dict.fromkeys(found))


def _write_licenses(value: tuple[int, ...] | None) -> Any:
    back = {number: word for word, number in LICENSE_WORDS.items()}
    return ANY_LICENSE if value is None else [back[number] for number in value]


def _read_quota(value: object) -> int | None:
    """Read how much may be kept: room for one file of the largest size at least; None means without limit."""
    if value == units.UNLIMITED:
        return None
    try:
        return units.size(LARGEST_FILE_BYTES, 10**18)(value)
    except Unfit as unfit:
        raise Unfit(unfit.reason, f'{unfit.remedy}; or write "{units.UNLIMITED}"') from None


def _read_owner(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    return units.whole(1, 2**63 - 1)(value)


def _default_authorize_url(data: dict[str, Any]) -> str:
    url = data.get("url", "")
    origin = addresses.origin_of(url) if addresses.is_local(url) else "https://www.ipernity.com"
    return f"{origin}/apps/authorize"


def _default_media_hosts(data: dict[str, Any]) -> tuple[str, ...]:
    url = data.get("url", "")
    return (addresses.host_of(url),) if addresses.is_local(url) else ("*.ipernity.com",)


def _default_outage(data: dict[str, Any]) -> Duration:
    window: Duration = data.get("window", LONGEST_WINDOW)
    return window * 10 // 24


class Operator(Section):
    """Who runs this application, and what for. Sent to ipernity with every request, shown on the privacy page."""

    application: Annotated[str, BeforeValidator(addresses.read_application), units.TEXT] = Field(
        description="the application's own name, as registered with its API key (T02, T17)"
    )
    purpose: Annotated[str, BeforeValidator(units.read_line), units.TEXT] = Field(
        description="what the copies are for, in a sentence that members understand (T02)"
    )
    contact: Annotated[str, BeforeValidator(addresses.read_contact), units.TEXT] = Field(
        description="an e-mail address or a page where members and ipernity reach you (T02)"
    )
    terms_accepted: Annotated[str, BeforeValidator(_read_terms), units.TEXT] = Field(
        description=f'"{TERMS_VERSION}" says that you have read and accept this version of the terms of use of the '
        "ipernity API; nothing starts without it (T01)"
    )
    privacy_policy: Annotated[Path, BeforeValidator(addresses.read_path), units.PATH] = Field(
        default=Path("privacy-policy.md"),
        validate_default=True,
        description="your privacy policy, shown at /privacy above the live facts; nothing starts without it (T16)",
    )


class Key(Section):
    """The API key's own conditions."""

    use: Annotated[KeyUse, BeforeValidator(units.word(USES)), units.WORD] = Field(
        description='what the key was given for: "non-commercial" or "commercial"; it cannot change later (T03, T07)'
    )
    status: Annotated[str, BeforeValidator(units.word(STATUSES)), units.WORD] = Field(
        default=ACTIVE,
        description=f'"{ACTIVE}", or "{TESTING}" while ipernity has not validated the key: '
        "then for tests only, with small caps and nothing served beyond this machine (T04)",
    )


class Api(Section):
    """Where ipernity is, and how long we wait for it."""

    url: Annotated[str, BeforeValidator(addresses.read_folder_url), units.URL] = Field(
        default="https://api.ipernity.com/api/",
        description="the API's base address; https, except for a simulator on this machine",
    )
    authorize_url: Annotated[str, BeforeValidator(addresses.read_page_url), units.URL] = Field(
        default_factory=_default_authorize_url,
        description="the page where members authorize the application (T14); beside a simulator's API, its own page",
    )
    timeout: Annotated[Duration, BeforeValidator(units.duration(100 * MILLISECOND, 60 * SECOND)), units.DURATION] = (
        Field(
            default=30 * SECOND,
            description="the longest one API request may take in all, 60s at most: a slow answer is no answer (F22)",
        )
    )
    media_hosts: Annotated[
        tuple[str, ...], BeforeValidator(addresses.read_media_hosts), units.Unit("list of hosts", list)
    ] = Field(
        default_factory=_default_media_hosts,
        description="hosts that files may be fetched from, https only; beside a simulator's API, that host (F34)",
    )


class Budget(Section):
    """The most we ask of ipernity (T21). Counts survive restarts; nothing sends a request beside it."""

    per_second: Annotated[float, BeforeValidator(units.rate(0.01, 100)), units.RATE] = Field(
        default=2.0, description="API requests in any second, spaced evenly; 0.5 is one in two seconds"
    )
    per_minute: Annotated[int, BeforeValidator(units.whole(1, 6_000)), units.REQUESTS] = Field(
        default=60, description="API requests in any minute"
    )
    per_hour: Annotated[int, BeforeValidator(units.whole(1, 360_000)), units.REQUESTS] = Field(
        default=1_000,
        description="API requests in any hour; about 1,000 documents can be kept verified per request an hour",
    )
    per_day: Annotated[int, BeforeValidator(units.whole(1, 8_640_000)), units.REQUESTS] = Field(
        default=20_000, description="API requests in any day"
    )
    media_bandwidth: Annotated[int, BeforeValidator(units.size(1_000, 10**11)), units.BANDWIDTH] = Field(
        default=5_000_000,
        description="bytes a second for downloading files; these are no API requests and have their own limit (T22)",
    )


class Mirror(Section):
    """What is copied: the permitted view is visibility × license × media × safety (T06)."""

    content: Annotated[tuple[str, ...], BeforeValidator(_read_content), units.WORDS] = Field(
        default=("documents",),
        description=f"kinds of content, of {units.listed(CONTENT)}; members are asked for what this needs only (T13)",
    )
    visibility: Annotated[tuple[Visibility, ...], BeforeValidator(units.words(VISIBILITY)), _words_of(VISIBILITY)] = (
        Field(
            default=(Visibility.PUBLIC,),
            description=f"privacy levels, of {units.listed(VISIBILITY)}; what leaves them is hidden and erased",
        )
    )
    media: Annotated[tuple[Media, ...], BeforeValidator(units.words(MEDIA)), _words_of(MEDIA)] = Field(
        default=tuple(MEDIA.values()), description=f"kinds of document, of {units.listed(MEDIA)}"
    )
    safety: Annotated[tuple[Safety, ...], BeforeValidator(units.words(SAFETY)), _words_of(SAFETY)] = Field(
        default=tuple(SAFETY.values()), description=f"whom the owner holds it fit for, of {units.listed(SAFETY)}"
    )
    licenses: Annotated[
        tuple[int, ...] | None, BeforeValidator(_read_licenses), units.Unit('"any", or list of words', _write_licenses)
    ] = Field(
        default=None,
        description=f'licenses, of {units.listed(LICENSE_WORDS)}; "any" means all that the key\'s use permits (T07)',
    )
    renditions: Annotated[
        tuple[str, ...], BeforeValidator(units.words(_names(*RENDITIONS), empty=True)), units.WORDS
    ] = Field(
        default=("240", "original"),
        description=f"files to copy, of {units.listed(RENDITIONS)}; one thumbnail size, more only with details = true",
    )
    mode: Annotated[str, BeforeValidator(units.word(_names(KEEP, ON_DEMAND))), units.WORD] = Field(
        default=KEEP,
        description=f'when files are copied: "{KEEP}" as soon as they are known, "{ON_DEMAND}" when they are first '
        "asked for; either way they are kept by [ttl]",
    )
    details: Annotated[bool, BeforeValidator(units.read_yes_no), units.YES_NO] = Field(
        default=False,
        description="also copy description and tags, and know the addresses of every size: one more request a document",
    )


class AgreementEntry(Section):
    """An owner's separate consent to commercial use, where the license alone forbids it (T07)."""

    owner: Annotated[int, BeforeValidator(_read_owner), units.NUMBER] = Field(
        description="the owner's ipernity user id"
    )
    reference: Annotated[str, BeforeValidator(units.read_line), units.TEXT] = Field(
        description="where an auditor finds the agreement"
    )
    until: Annotated[Instant, BeforeValidator(units.read_day), units.DATE] = Field(
        description="when it ends; a day means its first moment, UTC. What only it allowed is erased then"
    )


_TTL = BeforeValidator(units.duration(SECOND, LONGEST_TTL))


class Ttl(Section):
    """How long each kind of content is kept before it is erased; what is still permitted is fetched anew (T09)."""

    metadata: Annotated[Duration, _TTL, units.DURATION] = Field(
        default=30 * DAY, description="titles, dates, places, descriptions"
    )
    thumbnail: Annotated[Duration, _TTL, units.DURATION] = Field(default=30 * DAY, description="thumbnails of any size")
    media: Annotated[Duration, _TTL, units.DURATION] = Field(default=30 * DAY, description="playable audio and video")
    original: Annotated[Duration, _TTL, units.DURATION] = Field(default=30 * DAY, description="original files")


class RemovalSection(Section):
    """How soon copies go when their owner takes the document away (T10, T11)."""

    window: Annotated[Duration, BeforeValidator(units.duration(SECOND, LONGEST_WINDOW)), units.DURATION] = Field(
        default=LONGEST_WINDOW,
        description="nothing is stored longer after its removal, whatever fails: 24h is the law, less is for tests. "
        "Re-check by 10/24 of it, hidden from 20/24, erased from 22/24",
    )
    unverified: Annotated[str, BeforeValidator(units.word(_names(PURGE, SEAL))), units.WORD] = Field(
        default=PURGE,
        description=f'what to do with copies that ipernity, being unreachable, cannot confirm: "{PURGE}" keeps the '
        f'promise whatever fails; "{SEAL}" hides them and keeps them up to seal_max, '
        "and gives up the promise for that time",
    )
    seal_max: Annotated[Duration, BeforeValidator(units.duration(SECOND, 30 * DAY)), units.DURATION] = Field(
        default=7 * DAY, description=f'the longest that hidden copies are kept under unverified = "{SEAL}"'
    )
    tripwire_share: Annotated[float, BeforeValidator(units.read_share), units.SHARE] = Field(
        default=0.2,
        description="if more than this share of an account is missing at once, the missing are hidden as always, but "
        "their listing is doubted: some are asked about before all the others (never past the deadline)",
    )
    tripwire_count: Annotated[int, BeforeValidator(units.whole(1, 10**9)), units.DOCUMENTS] = Field(
        default=50, description="the tripwire needs at least this many missing documents"
    )
    outage: Annotated[Duration, BeforeValidator(units.duration(0, LONGEST_WINDOW)), units.DURATION] = Field(
        default_factory=_default_outage,
        description="how long ipernity may be unreachable without a copy being lost: budget is kept free for it "
        "(10/24 of the window)",
    )


class Database(Section):
    """What ipsync knows."""

    url: Annotated[str, BeforeValidator(addresses.read_database_url), units.URL] = Field(
        default="sqlite:///ipsync.db",
        validate_default=True,
        description="the database: sqlite:/// and a path; relative paths start at this file's folder",
    )

    @property
    def path(self) -> Path:
        """The database file, absolute."""
        return addresses.database_path(self.url)


class Store(Section):
    """Where the copied files lie."""

    url: Annotated[str, BeforeValidator(addresses.read_store_url), units.URL] = Field(
        default="file:content",
        validate_default=True,
        description="the folder of the copies, which is ipsync's alone: what it does not know there is erased",
    )
    size_most: Annotated[int | None, BeforeValidator(_read_quota), units.QUOTA] = Field(
        default=None,
        description="bytes of files kept in all (F31): when no room is left for one more of the largest size, 105MiB, "
        "nothing new is fetched; what is kept is verified, served and erased as ever. The free space of the disk is "
        "a limit in any case",
    )
    account_size_most: Annotated[int | None, BeforeValidator(_read_quota), units.QUOTA] = Field(
        default=None,
        description="bytes of files kept of each account (F31): one that filled its own waits, and holds up no other. "
        f'"{units.UNLIMITED}" by default, since a limit that nobody chose would leave out works that members expect '
        "to be there",
    )

    @property
    def path(self) -> Path:
        """The content folder, absolute."""
        return addresses.store_path(self.url)


class Feed(Section):
    """What applications are told of changes (/v1/changes, webhooks)."""

    keep: Annotated[Duration, BeforeValidator(units.duration(SECOND, 90 * DAY)), units.DURATION] = Field(
        default=7 * DAY,
        description="how long a change is kept; an application that was away longer reads everything anew",
    )


class Log(Section):
    """What the daemon tells about itself."""

    level: Annotated[str, BeforeValidator(units.word(_names("debug", "info", "warning", "error"))), units.WORD] = Field(
        default="info", description='the least to tell, of "debug", "info", "warning", "error"'
    )
    format: Annotated[str, BeforeValidator(units.word(_names("json", "console"))), units.WORD] = Field(
        default="json", description='"json" for machines, "console" for people'
    )


SECTIONS: dict[str, type[Section]] = {
    "operator": Operator,
    "key": Key,
    "api": Api,
    "budget": Budget,
    "mirror": Mirror,
    "agreements": AgreementEntry,
    "ttl": Ttl,
    "removal": RemovalSection,
    "database": Database,
    "store": Store,
    "web": Web,
    "feed": Feed,
    "notify": Notify,
    "log": Log,
    "secrets": SecretFiles,
}
"""Every table of the file, in the file's order; `agreements` is a list of tables."""
