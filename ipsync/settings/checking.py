"""What takes more than one value to see: contradictions between sections, files that must exist, limits of a test key.

Each rule is given the sections it names and yields what it finds; a rule whose sections are broken waits.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ipsync.policy.documents import THUMBNAIL_LABELS
from ipsync.policy.instants import MINUTE, duration_text
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse
from ipsync.settings import addresses
from ipsync.settings.effective import TESTING_CAPS
from ipsync.settings.notify_section import NO_TLS, STARTTLS, TLS, Notify
from ipsync.settings.problems import Problem, Severity
from ipsync.settings.secret_files import SecretFiles
from ipsync.settings.sections import (
    LICENSE_WORDS,
    PURGE,
    SEAL,
    TESTING,
    AgreementEntry,
    Api,
    Budget,
    Database,
    Key,
    Mirror,
    Operator,
    RemovalSection,
    Store,
    Ttl,
)
from ipsync.settings.units import size_text
from ipsync.settings.web_section import Web

LARGEST_POLICY_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before its file is known."""

    key: str
    reason: str
    remedy: str
    severity: Severity = Severity.ERROR


def _warning(key: str, reason: str, remedy: str) -> Finding:
    return Finding(key, reason, remedy, Severity.WARNING)


def _privacy_policy(operator: Operator) -> Iterator[Finding]:
    """T16: no start without it."""
    path = operator.privacy_policy
    remedy = f"write your privacy policy to {path}; `ipsync init` gives a first text"
    try:
        if path.stat().st_size > LARGEST_POLICY_BYTES:
            yield Finding("operator.privacy_policy", "names a file of more than 256 KiB", remedy)
            return
        if not path.read_text(encoding="utf-8").strip():
            yield Finding("operator.privacy_policy", "names an empty file", remedy)
    except FileNotFoundError:
        yield Finding("operator.privacy_policy", f"the file {path} does not exist", remedy)
    except UnicodeDecodeError:
        yield Finding("operator.privacy_policy", "names a file that is not UTF-8 text", remedy)
    except OSError as error:
        yield Finding("operator.privacy_policy", f"the file {path} cannot be read: {error.strerror}", remedy)


def _true_identity(operator: Operator) -> Iterator[Finding]:
    """T02: an address out of the examples reaches nobody."""
    if re.search(r"\bexample\.(org|com|net)\b", operator.contact):
        yield _warning("operator.contact", "is an address of the examples", "give your own: the terms ask for it")


def _test_key(key: Key, budget: Budget, web: Web) -> Iterator[Finding]:
    """T04: a key that awaits validation is for tests only."""
    if key.status != TESTING:
        return
    for name, cap in TESTING_CAPS.items():
        if getattr(budget, name) > cap:
            reason = f'is more than a key that is "{TESTING}" may use'
            yield Finding(f"budget.{name}", reason, f"give at most {cap}, or leave it out")
    if not web.is_loopback:
        yield Finding(
            "web.listen",
            f'is reachable from other machines while the key is "{TESTING}"',
            'listen at "127.0.0.1:8480" until ipernity has validated the key',
        )
    if web.public_url and not addresses.is_local(web.public_url):
        reason = f'is public while the key is "{TESTING}"'
        yield Finding("web.public_url", reason, "leave it out until ipernity has validated the key")


def _exposure(web: Web) -> Iterator[Finding]:
    if not web.is_loopback and not web.public_url:
        yield Finding(
            "web.public_url",
            f"is missing, and web.listen = {web.listen} is reachable from other machines",
            'give the https:// address of the front server, or listen at "127.0.0.1:8480"',
        )
    if not web.is_loopback and web.public_url.startswith("http://"):
        yield Finding("web.public_url", "is not encrypted", "give the https:// address of the front server")


def _media_hosts(api: Api) -> Iterator[Finding]:
    """F34: this machine is a media host only beside an API on this machine."""
    local = [host for host in api.media_hosts if addresses.is_loopback(host)]
    if local and not addresses.is_local(api.url):
        reason = f"allows {local[0]}, this machine itself"
        yield Finding("api.media_hosts", reason, "leave it out: only a simulator's files lie there")


def _budget(budget: Budget, given: Collection[str]) -> Iterator[Finding]:
    """A longer time allows no less than a shorter one, and no more than can be reached.

    What is told stands in the file: a default that is out of reach harms nobody, and one that is in the way is
    called a default.
    """
    caps = [("per_second", 1), ("per_minute", 60), ("per_hour", 3_600), ("per_day", 86_400)]
    for (shorter, short_seconds), (longer, long_seconds) in pairwise(caps):
        small, large = getattr(budget, shorter), getattr(budget, longer)
        reachable = int(small * long_seconds / short_seconds)
        has_shorter, has_longer = f"budget.{shorter}" in given, f"budget.{longer}" in given
        if small > large and has_shorter:
            reason = f"is {_number(small)}, more than {_cap(longer, large, is_given=has_longer)}"
            yield Finding(f"budget.{shorter}", reason, f"give at most {large}, or raise budget.{longer}")
        elif small > large:
            reason = f"is {large}, less than {_cap(shorter, small, is_given=False)}"
            yield Finding(f"budget.{longer}", reason, f"give at least {_number(small)}, or lower budget.{shorter}")
        elif large > reachable and has_longer:
            reason = f"is {large}, which {_cap(shorter, small, is_given=has_shorter)} never lets be reached"
            yield _warning(f"budget.{longer}", reason, f"lower it to {reachable}, or raise budget.{shorter}")


def _cap(name: str, cap: float, *, is_given: bool) -> str:
    return f"budget.{name} = {_number(cap)}" + ("" if is_given else " (its default)")


def _number(cap: float) -> str:
    return str(cap) if isinstance(cap, int) else f"{cap:g}"


def _licenses(mirror: Mirror, key: Key, agreements: tuple[AgreementEntry, ...]) -> Iterator[Finding]:
    """T07: what forbids commerce is out of reach of a commercial key without an agreement."""
    if key.use is not KeyUse.COMMERCIAL or mirror.licenses is None or agreements:
        return
    back = {number: word for word, number in LICENSE_WORDS.items()}
    forbidden = [back[number] for number in mirror.licenses if not LICENSES[number].commercial]
    if forbidden:
        yield Finding(
            "mirror.licenses",
            f"names {', '.join(forbidden)}, which forbid the commercial use that the key was given for",
            "leave them out, or add [[agreements]] with their owners",
        )


def _idle_agreements(key: Key, agreements: tuple[AgreementEntry, ...]) -> Iterator[Finding]:
    if agreements and key.use is KeyUse.NON_COMMERCIAL:
        reason = "have no effect with a non-commercial key"
        yield _warning("agreements", reason, "leave them out, or say that the key is commercial")


def _renditions(mirror: Mirror) -> Iterator[Finding]:
    labels = [name for name in mirror.renditions if name in THUMBNAIL_LABELS]
    if len(labels) > 1 and not mirror.details:
        yield Finding(
            "mirror.renditions",
            f"names {len(labels)} thumbnail sizes ({', '.join(labels)}), but a listing gives the address of one only",
            "keep one of them, or set mirror.details = true (one more request for each document)",
        )


def _visible_to_all(mirror: Mirror, web: Web) -> Iterator[Finding]:
    private = [level.word for level in mirror.visibility if level.word != "public"]
    if private and web.public_url and not addresses.is_local(web.public_url):
        yield _warning(
            "mirror.visibility",
            f"takes in {', '.join(private)} documents, and web.public_url makes them reachable with the token",
            "hand the token only to people whom the owners let see them, or mirror public documents only",
        )


def _ttl(ttl: Ttl, removal: RemovalSection) -> Iterator[Finding]:
    recheck = Lease(window=removal.window).recheck_age
    for name in type(ttl).model_fields:
        value = getattr(ttl, name)
        if value < recheck:
            yield _warning(
                f"ttl.{name}",
                f"is {duration_text(value)}, shorter than the {duration_text(recheck)} between two checks",
                "give a longer time: what is still permitted is fetched again and again",
            )


def _removal(removal: RemovalSection) -> Iterator[Finding]:
    lease = Lease(window=removal.window)
    if removal.outage >= lease.serve_age:
        yield Finding(
            "removal.outage",
            f"is {duration_text(removal.outage)}, which leaves no time to verify: a copy is served for "
            f"{duration_text(lease.serve_age)} only",
            f"give less, e.g. {duration_text(lease.recheck_age)}",
        )
    if removal.unverified == SEAL:
        yield _warning(
            "removal.unverified",
            "keeps hidden copies beyond the 24 hours while ipernity is unreachable",
            f'write "{PURGE}" to keep the promise whatever fails',
        )
        if removal.seal_max < removal.window:
            yield Finding("removal.seal_max", "is shorter than removal.window", "give more than the window")


def _notify(notify: Notify) -> Iterator[Finding]:
    if not notify.has_mail:
        for key in ("mail_from", "mail_to", "smtp_user"):
            if getattr(notify, key):
                yield Finding(f"notify.{key}", "has no effect without notify.smtp_host", "name the mail server too")
        return
    for key, example in (("mail_from", '"ipsync@example.org"'), ("mail_to", '["operator@example.org"]')):
        if not getattr(notify, key):
            yield Finding(f"notify.{key}", "is missing, and notify.smtp_host is given", f"write e.g. {key} = {example}")
    if notify.smtp_tls == NO_TLS and not notify.is_local_mail:
        yield Finding(
            "notify.smtp_tls",
            f'is "{NO_TLS}", and {notify.smtp_host} is another machine',
            f'write "{STARTTLS}" or "{TLS}"',
        )


def _patience(api: Api, removal: RemovalSection) -> Iterator[Finding]:
    if api.timeout > removal.window // 12:
        yield _warning(
            "api.timeout",
            f"is {duration_text(api.timeout)}: one slow answer takes more than a twelfth of removal.window",
            f"give at most {duration_text(max(removal.window // 12, 1))}",
        )
    if removal.window < MINUTE and not addresses.is_local(api.url):
        yield _warning(
            "removal.window", "is less than a minute", "a window this short is for tests against a simulator"
        )


def _store_is_apart(
    store: Store, database: Database, operator: Operator, secret_files: SecretFiles, file: Path
) -> Iterator[Finding]:
    """Unknown files in the content folder are erased: nothing else may lie there."""
    others = {
        "the configuration file": file,
        "the database": database.path,
        "the privacy policy": operator.privacy_policy,
        **{f"secrets.{name}": path for name, path in secret_files if path is not None},
    }
    content = _real(store.path)
    for what, path in others.items():
        if _real(path).is_relative_to(content):
            yield Finding(
                "store.url",
                f"is the folder {store.path}, in which {what} lies; what ipsync does not know there is erased",
                'give the copies a folder of their own, e.g. "file:content"',
            )


def _quotas(store: Store) -> Iterator[Finding]:
    """F31: a quota of one account that is above that of all can never be reached."""
    each, whole = store.account_size_most, store.size_most
    if each is not None and whole is not None and each > whole:
        yield Finding(
            "store.account_size_most",
            f"is {size_text(each)}, more than store.size_most = {size_text(whole)} lets all accounts together have",
            f"give at most {size_text(whole)}, or raise store.size_most",
        )


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


Rule = Callable[..., Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    _privacy_policy,
    _true_identity,
    _test_key,
    _exposure,
    _media_hosts,
    _budget,
    _licenses,
    _idle_agreements,
    _renditions,
    _visible_to_all,
    _ttl,
    _removal,
    _notify,
    _patience,
    _store_is_apart,
    _quotas,
)


def findings(sections: Mapping[str, Any], file: Path, given: Collection[str]) -> Iterator[Problem]:
    """Apply every rule whose sections could be read.

    Args:
        sections: by the names the rules' arguments have; those that could not be read are left out.
        file: the configuration file.
        given: dotted keys that stand in it.
    """
    known = {**sections, "file": file, "given": given}
    for rule in RULES:
        wanted = rule.__code__.co_varnames[: rule.__code__.co_argcount]
        if all(name in known for name in wanted):
            for found in rule(**{name: known[name] for name in wanted}):
                yield Problem(str(file), found.key, found.reason, found.remedy, found.severity)
