"""Known mistakes, to be switched on one at a time from outside: each must be caught. This tests the tests.

A mistake is a few attributes of the product replaced while one story is played; the product has no hooks for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ipsync.clock as clock
from ipsync.catalog import sqlite
from ipsync.catalog.budget_book import CatalogBudgetBook
from ipsync.catalog.unit_of_work import SqliteCatalog
from ipsync.catalog.work import SqlTransaction, SqlView
from ipsync.ipernity import client
from ipsync.ipernity.gate import BudgetGate
from ipsync.jobs import (
    accounts,
    confirm,
    entry_application,
    expiry,
    grants,
    media,
    media_keeping,
    page_application,
    sync,
)
from ipsync.jobs.absences import Absence
from ipsync.jobs.boot import BootGate
from ipsync.jobs.entry_expiry import EntryExpiry
from ipsync.jobs.expiry import Expiry, ExpiryReport
from ipsync.jobs.media import MediaReport
from ipsync.jobs.orphans import Orphans, OrphansReport
from ipsync.jobs.purge import Purge, PurgeReport
from ipsync.jobs.restraint import Restraint
from ipsync.jobs.tombstones import ReplayReport, Tombstones
from ipsync.policy import backoff, budget, permission, sweeping
from ipsync.policy.budget import BudgetState
from ipsync.policy.documents import DocumentState, RenditionState
from ipsync.policy.instants import DAY
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.source import Malformed
from ipsync.ports.store import Erased
from ipsync.store import FileStore
from ipsync.store.erasing import Erasure
from ipsync.web import showing
from tests.simulation.story import Plan

_INHERITED = object()

Replace = Callable[[object, str, Any], None]


@dataclass(frozen=True)
class Planted:
    """One mistake.

    Attributes:
        name: for the table.
        what: a sentence.
        plant: replaces what must be replaced.
        plan: what happens in the stories that shall catch it.
        quick: whether it is tried in every run of the tests, not only by `make plant`.
    """

    name: str
    what: str
    plant: Callable[[Replace], None]
    plan: Plan
    quick: bool = False


@contextmanager
def planted(mistake: Planted) -> Iterator[None]:
    """Switch a mistake on for a while."""
    before: list[tuple[object, str, Any]] = []

    def put(thing: object, name: str, other: Any) -> None:
        if not hasattr(thing, name):
            raise AttributeError(f"{thing} has no {name} any more: plant {mistake.name!r} elsewhere")
        before.append((thing, name, vars(thing).get(name, _INHERITED)))
        setattr(thing, name, other)

    try:
        mistake.plant(put)
        yield
    finally:
        for thing, name, whole in reversed(before):
            if whole is _INHERITED:
                delattr(thing, name)
            else:
                setattr(thing, name, whole)


def _nothing(report: Callable[[], Any]) -> Callable[..., Any]:
    async def run(*_: object, **__: object) -> Any:
        return report()

    return run


def _story(*only: str, days: float = 8, busy: float = 0.5, **options: Any) -> Plan:
    return Plan(days=days, only=only, busy=busy, ends_well=options.pop("ends_well", False), **options)


OWNERS = ("hide", "show", "delete", "upload", "relicense", "replace_file")
SILENCE = (*OWNERS, "outage")


def _trust_wall(put: Replace) -> None:
    put(clock.SystemClock, "now", lambda _self: clock._wall())


def _no_mark(put: Replace) -> None:
    put(clock.ClockMark, "decode", classmethod(lambda _cls, _text: None))


def _suspend_stops_it(put: Replace) -> None:
    put(clock, "_boottime", lambda: clock.time.clock_gettime_ns(clock.time.CLOCK_MONOTONIC) // 1000)
    put(clock, "_wall", lambda: 1_800_000_000_000_000)


def _off_does_not_count(put: Replace) -> None:
    put(clock, "_wall_since", lambda _mark: 0)


def _lease_not_asked(put: Replace) -> None:
    put(showing, "may_serve", lambda _lease, document, _now: document.state is DocumentState.LIVE)


def _received_not_sent(put: Replace) -> None:
    whole = client.understood

    def understood(method: str, body: bytes, _sent_at: int, shape: Any, read: Any) -> Any:
        return whole(method, body, clock._wall(), shape, read)

    put(client, "understood", understood)


def _answers_in_errors(put: Replace) -> None:
    whole = client.understood

    def understood(method: str, body: bytes, *rest: Any) -> Any:
        try:
            return whole(method, body, *rest)
        except Malformed as failure:
            raise Malformed(method, f"{failure}: {body.decode(errors='replace')}") from None

    put(client, "understood", understood)


def _verified_by_wish(put: Replace) -> None:
    whole = sweeping._take_in

    def take_in(plan: Any, account_id: int, sent_at: int, item: Any, held: Any, view: Any, now: int) -> bool:
        done = whole(plan, account_id, sent_at, item, held, view, now)
        plan.added[:] = [replace(entry, verified_at=now) for entry in plan.added]
        return done

    put(sweeping, "_take_in", take_in)


def _renew_on_total(put: Replace) -> None:
    def renew_all(tx: Any, account_id: int, answer: Any) -> None:
        held = tx.documents_after(0, 1000, account_id=account_id, states={DocumentState.LIVE})
        if answer.total and answer.total == len(held):
            tx.renew([entry.document_id for entry in held], answer.sent_at)

    swept, read_by_plan = sync.apply_page, sync.apply_read

    def apply_page(tx: Any, turn: Any, answer: Any, *rest: Any, **options: Any) -> Any:
        renew_all(tx, turn.account.account_id, answer)
        return swept(tx, turn, answer, *rest, **options)

    def apply_read(tx: Any, account: Any, read: Any, answer: Any, *rest: Any, **options: Any) -> Any:
        renew_all(tx, account.account_id, answer)
        return read_by_plan(tx, account, read, answer, *rest, **options)

    put(sync, "apply_page", apply_page)
    put(sync, "apply_read", apply_read)


def _missing_is_nothing(put: Replace) -> None:
    put(SqlTransaction, "suspect_unnamed", lambda *_: 0)
    put(page_application, "_hide", lambda *_: Absence())


def _purge_before_confirm(put: Replace) -> None:
    async def ask(self: Any, question: Any, report: Any) -> None:
        await self._catalog.write(lambda tx: self._settle(tx, question.removal.removal_id, Reason.DELETED, "surely"))
        report.confirmed += 1

    put(confirm.Confirm, "_ask", ask)


def _no_checkpoint(put: Replace) -> None:
    put(SqliteCatalog, "scrub_now", lambda _self: True)
    put(SqliteCatalog, "_checkpoint", lambda _self: True)


def _deleted_not_overwritten(put: Replace) -> None:
    whole = sqlite._demand

    def demand(connection: Any, pragma: str, wanted: Any, word: str | None = None) -> None:
        if pragma == "secure_delete":
            connection.execute("PRAGMA secure_delete = OFF").fetchall()
            return
        whole(connection, pragma, wanted, word)

    put(sqlite, "_demand", demand)


def _new_version_not_seen(put: Replace) -> None:
    put(sweeping, "is_new_version", lambda _before, _after: False)


def _thumbnails_kept(put: Replace) -> None:
    whole = sweeping._compare_files

    def compare(plan: Any, item: Any, document: Any, files: Any, *rest: Any) -> None:
        whole(plan, item, document, files, *rest)
        plan.renditions[:] = [
            entry
            for entry in plan.renditions
            if entry.file.rendition == "original" or entry.state is not RenditionState.ERASING
        ]
        plan.removals[:] = [
            replace(entry, renditions=tuple(name for name in entry.renditions if name == "original"))
            if entry.reason is Reason.REPLACED
            else entry
            for entry in plan.removals
        ]

    put(sweeping, "_compare_files", compare)


def _refusal_ignored(put: Replace) -> None:
    put(BudgetGate, "refused", _nothing(lambda: None))


def _not_counted(put: Replace) -> None:
    put(budget, "_counted", lambda state, *_: state.spent)


def _budget_forgotten(put: Replace) -> None:
    whole = BudgetGate.__init__

    def begin(self: Any, book: Any, *rest: Any, **options: Any) -> None:
        whole(self, book, *rest, **options)
        if isinstance(book, CatalogBudgetBook):
            book._catalog.write_now(lambda tx: tx.put_budget(BudgetState()))

    put(BudgetGate, "__init__", begin)


def _no_pause(put: Replace) -> None:
    put(backoff, "BACKOFF_FIRST", {112: 1, 113: 1})
    put(backoff, "BACKOFF_LONGEST", {112: 1, 113: 1})


def _no_ledger(put: Replace) -> None:
    put(SqlTransaction, "append_ledger", lambda _self, _events: None)


def _ledger_twice(put: Replace) -> None:
    put(SqlTransaction, "_untold", lambda _self, events: [*events, *events])


def _no_boot_gate(put: Replace) -> None:
    put(BootGate, "run", _nothing(lambda: True))


def _not_unlinked(put: Replace) -> None:
    put(FileStore, "erase_documents", lambda _self, _documents: Erased(0, 0))


def _partials_kept(put: Replace) -> None:
    put(Erasure, "_erase_partials", lambda _self, _names: None)
    put(Erasure, "_look", lambda _self, _place, _names: None)


def _rows_kept(put: Replace) -> None:
    put(SqlTransaction, "forget_documents", lambda _self, _ids: None)


def _late_file_kept(put: Replace) -> None:
    def still_wanted(view: Any, asked: Any, _rules: Any, _now: int) -> Any:
        entries = list(asked)
        held = view.renditions({entry.key.document_id for entry in entries})
        return {media_keeping.key_of(one): one for files in held.values() for one in files}

    put(media_keeping, "still_wanted", still_wanted)
    put(media, "still_wanted", still_wanted)


def _license_not_asked(put: Replace) -> None:
    whole = permission.bar

    def bar(view: Any, account_id: int, facts: Any, now: int) -> Any:
        found = whole(view, account_id, facts, now)
        return None if found is permission.Bar.LICENSE else found

    for module in (permission, sweeping, confirm, expiry, media_keeping, showing):
        put(module, "bar", bar)


def _privacy_not_asked(put: Replace) -> None:
    whole = permission.bar

    def bar(view: Any, account_id: int, facts: Any, now: int) -> Any:
        found = whole(view, account_id, facts, now)
        return None if found is permission.Bar.VISIBILITY else found

    for module in (permission, sweeping, confirm, expiry, media_keeping, showing):
        put(module, "bar", bar)


def _request_does_not_stand(put: Replace) -> None:
    whole = SqlTransaction.put_tombstones

    def put_tombstones(self: Any, stones: Any) -> None:
        whole(self, [replace(stone, stands=False, since=0) for stone in stones])

    put(SqlTransaction, "put_tombstones", put_tombstones)


def _account_not_doomed(put: Replace) -> None:
    put(SqlTransaction, "doom_account_by_request", lambda *_: 0)
    put(SqlTransaction, "doom_account", lambda *_: 0)


def _never_back(put: Replace) -> None:
    whole = sweeping._take_in

    def take_in(plan: Any, account_id: int, sent_at: int, item: Any, held: Any, view: Any, now: int) -> bool:
        if item.document_id in held.tombstones:
            return False
        return whole(plan, account_id, sent_at, item, held, view, now)

    put(sweeping, "_take_in", take_in)


def _old_token_kept(put: Replace) -> None:
    whole = SqlTransaction.put_grant
    first: dict[int, Any] = {}

    def put_grant(self: Any, grant: Any, consent: Any) -> None:
        whole(self, first.setdefault(grant.account_id, grant), consent)

    put(SqlTransaction, "put_grant", put_grant)


def _deadline_waits(put: Replace) -> None:
    whole = SqlView.due_removals

    def due(self: Any, now: int, limit: int, passing_over: Any = ()) -> Any:
        return [entry for entry in whole(self, now, limit, passing_over) if entry.stage is not Stage.SUSPECTED]

    put(SqlTransaction, "due_removals", due)

    def judge(_self: Any, _tx: Any, report: Any) -> int:
        del report
        return 0

    put(Expiry, "_judge_overdue", judge)


def _consent_lifts_all(put: Replace) -> None:
    whole = accounts.lift_requests

    def lift(tx: Any, account_id: int, consent_epoch: int, now: int, *rest: Any) -> int:
        for request in tx.removal_requests(after=0, limit=1000):
            if request.stands:
                tx.put_removal_request(replace(request, ended_at=now))
                tx.lift_tombstone(request.subject.subject_id, now)
        return whole(tx, account_id, consent_epoch, now, *rest)

    put(accounts, "lift_requests", lift)


def _old_words_renewed(put: Replace) -> None:
    put(entry_application, "needs_reading", lambda entry, *_: entry is None)


def _missing_entry_is_nothing(put: Replace) -> None:
    put(SqlTransaction, "entries_unseen_since", lambda *_: [])


MISTAKES = (
    Planted("trust wall", "ages follow the wall clock", _trust_wall, _story(*SILENCE, "clock_back"), quick=True),
    Planted("no mark", "a restart forgets how late it was", _no_mark, _story(*SILENCE, "clock_back", "kill")),
    Planted("suspend", "time asleep does not count", _suspend_stops_it, _story(*OWNERS, "suspend"), quick=True),
    Planted("off", "time switched off does not count", _off_does_not_count, _story("clock_forward", "switch_off")),
    Planted("lease unasked", "serving does not ask for the lease", _lease_not_asked, _story(*OWNERS, "suspend")),
    Planted(
        "receive time",
        "a lease counts from the answer",
        _received_not_sent,
        _story("hide", "upload", days=2),
        quick=True,
    ),
    Planted(
        "answers in errors",
        "an error repeats what was answered",
        _answers_in_errors,
        _story("upload", "truncate", "html", "duplicate", days=4, logs=True),
    ),
    Planted("wishful", "what is new counts as verified now", _verified_by_wish, _story("upload", days=3)),
    Planted(
        "total", "a count renews leases", _renew_on_total, _story("swap", "short_list", "stale_total", page_size=4)
    ),
    Planted(
        "missing", "who is missing is not hidden", _missing_is_nothing, _story("hide", "delete", faults=False, days=12)
    ),
    Planted(
        "no expiry",
        "nobody judges ages",
        lambda put: put(Expiry, "run", _nothing(ExpiryReport)),
        _story(*SILENCE, "switch_off"),
        quick=True,
    ),
    Planted("no purge", "nobody erases", lambda put: put(Purge, "run", _nothing(PurgeReport)), _story(*OWNERS)),
    Planted("no purge in time", "a suspicion waits for ever", _deadline_waits, _story(*SILENCE)),
    Planted(
        "purge before confirm",
        "one odd answer erases",
        _purge_before_confirm,
        _story("upload", "empty_list", "short_list"),
        quick=True,
    ),
    Planted("no checkpoint", "the log is never truncated", _no_checkpoint, _story(*OWNERS, busy=1)),
    Planted("not overwritten", "deleted rows stay in free pages", _deleted_not_overwritten, _story(*OWNERS, busy=1)),
    Planted("new version", "a replaced file is not noticed", _new_version_not_seen, _story("replace_file")),
    Planted("thumbnails", "thumbnails of the old version stay", _thumbnails_kept, _story("replace_file")),
    Planted("refusal", "quota errors are retried at once", _refusal_ignored, _story("upload", "quota"), quick=True),
    Planted("no pause", "the pause after a refusal is none", _no_pause, _story("upload", "quota")),
    Planted("uncounted", "requests are not counted", _not_counted, _story("upload", "hide", days=3)),
    Planted("budget lost", "a restart forgets what was spent", _budget_forgotten, _story("upload", "kill", busy=3)),
    Planted("no ledger", "no entry for what is gone", _no_ledger, _story(*OWNERS, busy=1)),
    Planted("ledger twice", "two entries for one removal", _ledger_twice, _story(*OWNERS, busy=1)),
    Planted("no boot gate", "a start looks at nothing", _no_boot_gate, _story(*OWNERS, "switch_off", "restore")),
    Planted("no unlink", "files are not unlinked", _not_unlinked, _story("hide", "delete")),
    Planted(
        "partials", "cut downloads stay", _partials_kept, _story("upload", "delete", "hide", "media_truncate", busy=1)
    ),
    Planted("rows", "texts of what is gone stay", _rows_kept, _story("hide", "delete")),
    Planted(
        "late file",
        "a file that comes too late is kept",
        _late_file_kept,
        _story("upload", "correct_file", "large_files", busy=3, days=3, per_hour=60, probes=True),
    ),
    Planted("license", "the license is not looked at", _license_not_asked, _story("relicense", "upload")),
    Planted("privacy", "what the owner alone may see counts", _privacy_not_asked, _story("hide", "upload")),
    Planted(
        "request", "an owner's request does not stand", _request_does_not_stand, _story("request_document", "upload")
    ),
    Planted(
        "not replayed",
        "a restored database forgets requests",
        lambda put: put(Tombstones, "replay", _nothing(ReplayReport)),
        _story("request_document", "restore", "delete", busy=1),
    ),
    Planted("account stays", "who leaves is only hidden", _account_not_doomed, _story("remove_account", "revoke")),
    Planted(
        "consent lifts all",
        "a new consent ends all requests",
        _consent_lifts_all,
        _story("request_document", "reauthorize", busy=1),
    ),
    Planted("never back", "what was erased never returns", _never_back, _story("hide", "show", ends_well=True)),
    Planted("old token", "a new token is not kept", _old_token_kept, _story("revoke", "reauthorize", ends_well=True)),
    Planted(
        "restraint",
        "a pause never ends",
        lambda put: put(Restraint, "pause", lambda self, now: setattr(self, "_until", now + 1000 * DAY)),
        _story("outage", ends_well=True),
    ),
    Planted(
        "no media",
        "files are not fetched",
        lambda put: put(media.Media, "run", _nothing(MediaReport)),
        _story("upload", ends_well=True, days=2),
    ),
    Planted(
        "served too long",
        "S is the whole window",
        lambda put: put(Lease, "serve_age", property(lambda self: self.window)),
        _story(*SILENCE),
    ),
    Planted(
        "erased too late",
        "erasing begins at 26 h",
        lambda put: put(Lease, "erase_age", property(lambda self: self.window * 26 // 24)),
        _story(*SILENCE),
    ),
    Planted(
        "orphans",
        "files without a row stay",
        lambda put: put(Orphans, "run", _nothing(OrphansReport)),
        _story(*OWNERS, "crash", "restore", busy=2),
    ),
    Planted(
        "doubt ignored",
        "a lost grant hides nothing",
        lambda put: [put(module, "doubt_account", lambda *_: False) for module in (sync, grants, confirm)] and None,
        _story("revoke", "upload", faults=False, busy=0.3),
    ),
    Planted(
        "old words",
        "an article is renewed without a look at its words",
        _old_words_renewed,
        _story("write_article", "reword_article", days=4, entries=True),
    ),
    Planted(
        "missing article",
        "an article that a list leaves out is not hidden",
        _missing_entry_is_nothing,
        _story("write_article", "delete_article", faults=False, days=4, entries=True),
    ),
    Planted(
        "ageless articles",
        "nobody judges the ages of albums and articles",
        lambda put: put(EntryExpiry, "run", _nothing(lambda: None)),
        _story("write_article", "make_album", "outage", entries=True),
    ),
)
