"""`/privacy`: the operator's policy with the facts that hold now: what is kept, how long, for whom (T16).

The facts are read from the policy in force and from the catalog, so that the page cannot promise
what the program does not do. Members are counted, never named.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ipsync.policy.documents import MEDIA, THUMBNAIL_LABELS, DocumentState, Safety
from ipsync.policy.entries import CONTENT_WORDS
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration, rfc3339, seconds
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse
from ipsync.policy.rules import Rules, TimeToLive
from ipsync.ports.catalog import CatalogFailure
from ipsync.web.answers import json_answer, wants_html
from ipsync.web.figures import NUMBERS, Standings
from ipsync.web.pages import page_answer
from ipsync.web.parts import PARTS, Operator
from ipsync.web.policy_text import read_policy

_KINDS = ("metadata", "thumbnail", "media", "original")
_KIND_WORDS = {
    "metadata": "Title, dates, place, description",
    "thumbnail": "Smaller pictures",
    "media": "Playable audio and video",
    "original": "Original files",
}
_SAFETY_WORDS = {Safety.EVERYONE: "for everyone", Safety.NOT_FOR_ALL: "not for all", Safety.ADULTS: "for adults"}
DISTRIBUTION = (
    "Only programs that hold an access token from the operator can read the copies. "
    "There is no public gallery here, and nothing is passed on to anyone else."
)


async def privacy(request: web.Request) -> web.StreamResponse:
    """`GET /privacy`: a page for people, or JSON for programs that prefer it."""
    known = await facts(request)
    accepted = request.headers.get("Accept", "")
    if "application/json" in accepted and not wants_html(request):
        return json_answer(known, headers={"Vary": "Accept"})
    parts = request.app[PARTS]
    operator, rules = parts.operator(), parts.rules()
    return page_answer(
        request,
        "privacy.html",
        {
            "title": f"Privacy · {operator.application}",
            "contact_link": contact_link(operator.contact),
            "policy": read_policy(operator.privacy_policy),
            "facts": known,
            "distribution": DISTRIBUTION,
            "kept": kept_words(rules),
            "times": time_words(rules.ttl),
            "lease": lease_words(rules.lease),
            "beside": sum(known["now"]["beside_documents"].values()) if known["now"] else 0,
            "size": size_words(known["now"]["bytes"]) if known["now"] else "",
        },
        headers={"Vary": "Accept"},
    )


async def privacy_json(request: web.Request) -> web.StreamResponse:
    """`GET /privacy.json`: the same as JSON."""
    return json_answer(await facts(request))


def routes() -> list[web.RouteDef]:
    """The policy, for people and for programs."""
    return [
        web.get("/privacy", privacy, name="privacy"),
        web.get("/privacy.json", privacy_json, name="privacy-json"),
    ]


async def facts(request: web.Request) -> dict[str, Any]:
    """Gather what the page tells. `now` is null while the catalog cannot be read; the rest holds all the same."""
    parts = request.app[PARTS]
    operator, rules = parts.operator(), parts.rules()
    try:
        counts = _counts(await request.app[NUMBERS].standings())
    except CatalogFailure:
        counts = None
    return {
        "application": _application(operator, rules.view.use),
        "kept": {
            "visibility": [level.word for level in sorted(rules.view.visibility, reverse=True)],
            "media": sorted(media.value for media in rules.view.media),
            "safety": [_SAFETY_WORDS[level] for level in sorted(rules.view.safety)],
            "licenses": [
                {"id": entry.license_id, "name": entry.name, "link": entry.link}
                for number, entry in LICENSES.items()
                if number in rules.view.licenses
            ],
            "files": list(rules.view.renditions),
            "files_fetched": "on-demand" if rules.on_demand else "keep",
            "description_and_tags": rules.details,
            "beside_documents": [word for kind, word in CONTENT_WORDS.items() if kind in rules.kinds],
        },
        "kept_for_seconds": {kind: seconds(_time(rules.ttl, kind)) for kind in _KINDS},
        "removal_seconds": {name: seconds(age) for name, age in _ages(rules.lease).items()},
        "distribution": DISTRIBUTION,
        "now": counts,
        "policy": operator.privacy_policy,
    }


def _application(operator: Operator, use: KeyUse) -> dict[str, Any]:
    return {
        "name": operator.application,
        "purpose": operator.purpose,
        "contact": operator.contact,
        "use": use.value,
        "awaiting_validation": operator.awaiting_validation,
    }


def _counts(standings: Standings) -> dict[str, Any]:
    figures = standings.figures
    return {
        "at": rfc3339(standings.read_at),
        "members": standings.accounts,
        "documents": {state.value: figures.documents.get(state, 0) for state in DocumentState},
        "beside_documents": {state.value: standings.entries.get(state, 0) for state in DocumentState},
        "files": figures.stored_files,
        "bytes": figures.stored_bytes,
        "removals_under_way": sum(figures.open_removals.values()),
        "erased_numbers_remembered": figures.tombstones,
    }


def _ages(lease: Lease) -> Mapping[str, Duration]:
    return {
        "checked_again_by": lease.recheck_age,
        "hidden_from": lease.serve_age,
        "erasing_from": lease.erase_age,
        "erased_by": lease.gone_age,
        "law": lease.window,
        "sealed_at_most": lease.seal_max or 0,
    }


def _time(ttl: TimeToLive, kind: str) -> Duration:
    times: Mapping[str, Duration] = {
        "metadata": ttl.metadata,
        "thumbnail": ttl.thumbnail,
        "media": ttl.media,
        "original": ttl.original,
    }
    return times[kind]


def time_words(ttl: TimeToLive) -> list[tuple[str, str]]:
    """Say how long each kind of content is kept."""
    return [(_KIND_WORDS[kind], duration_words(_time(ttl, kind))) for kind in _KINDS]


def lease_words(lease: Lease) -> dict[str, str]:
    """Say the ages at which something happens to a copy, by name."""
    return {name: duration_words(age) for name, age in _ages(lease).items()}


def kept_words(rules: Rules) -> list[tuple[str, str]]:
    """Say what is copied."""
    view = rules.view
    return [
        ("Privacy levels", ", ".join(level.word.replace("-", " ") for level in sorted(view.visibility, reverse=True))),
        ("Kinds of work", ", ".join(sorted(media.value for media in view.media))),
        ("Fit for", ", ".join(_SAFETY_WORDS[level] for level in sorted(view.safety))),
        ("Files of each work", _files(rules)),
        ("Description and tags", "copied too" if rules.details else "not copied"),
        ("Beside works", _beside(rules)),
    ]


def _files(rules: Rules) -> str:
    """Say which files are copied, and when."""
    files = ", ".join(map(_file_words, rules.view.renditions))
    if not files:
        return "none, only what is said about it"
    return f"{files}; each is copied when it is first asked for" if rules.on_demand else files


def _beside(rules: Rules) -> str:
    """Say which of albums, folders, articles and profile are copied."""
    return ", ".join(word for kind, word in CONTENT_WORDS.items() if kind in rules.kinds) or "nothing"


def _file_words(name: str) -> str:
    if name in THUMBNAIL_LABELS:
        return f"picture of {name.removesuffix('x')} pixels"
    return "playable audio or video" if name == MEDIA else "original file"


def contact_link(contact: str) -> str:
    """Give where a contact leads: a page, or an address to write to; "" for anything else."""
    if contact.startswith(("https://", "http://")):
        return contact
    return f"mailto:{contact}" if "@" in contact and " " not in contact else ""


def duration_words(duration: Duration) -> str:
    """Write a duration for people: `30 days`, `20 hours`, `12.5 seconds`."""
    for size, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")):
        # A day is said as 24 hours: that is how the law is worded.
        if duration % size == 0 and duration >= (2 * DAY if size == DAY else size):
            count = duration // size
            return f"{count} {word}" if count == 1 else f"{count} {word}s"
    if duration >= 2 * HOUR:
        return f"{duration / HOUR:.3g} hours"
    if duration >= 2 * MINUTE:
        return f"{duration / MINUTE:.3g} minutes"
    return f"{duration / SECOND:.3g} seconds"


def size_words(size_bytes: int) -> str:
    """Write a size for people: `4.1 GB`."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
