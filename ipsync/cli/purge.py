"""`ipsync purge`: erase what is due, now."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.instants import Instant
    from ipsync.policy.removals import Removal
    from ipsync.policy.rules import Rules
    from ipsync.ports.catalog import View

app = typer.Typer(add_completion=False)

_BATCH = 500
_MOST_FILES = 1000
_SHOWN_AT_MOST = 1000
"""Removals on record that a dry run shows."""


@app.command(
    epilog=examples("ipsync purge --dry-run  # what is due, and why", "ipsync purge", "ipsync purge --json"),
)
def purge(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is due; erase nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Erase what is due.

    That is: confirmed removals, documents whose lease ran out, files older than their time to live, and what
    the configuration does not permit any more. A running daemon does this by itself. Needs no network.
    """
    if dry_run:
        now, due = session.work_on(ctx, _plan, needs=("state_key",))
        if as_json:
            output.emit_json({"due": [_as_json(removal) for removal in due]})
        else:
            _print_plan(now, due)
        return
    done = session.work_on(ctx, _purge, needs=("state_key",), erases=True)
    if as_json:
        output.emit_json(done)
    elif not (done["erased"] or done["failed"]):
        output.say("Nothing was due.")
    else:
        output.say(
            f"Erased: {session.counted(done['erased'], 'removal')}, {session.counted(done['files'], 'file')}, "
            f"{session.size_text(done['bytes'])}."
        )
    if done["waiting_for_log"] and not as_json:
        output.say(session.LOG_IS_CUT_LATER)
    if done["breaches"]:
        output.complain(f"{session.counted(done['breaches'], 'removal')} came later than the law allows.")
    if done["failed"]:
        output.fail(
            f"{session.counted(done['failed'], 'removal')} could not be done",
            "look at the disk, then run it again; a running daemon goes on trying",
        )


async def _purge(works: "Works") -> dict[str, Any]:
    with output.progress("erasing"):
        await works.expiry.apply_policy()
        await works.expiry.run()
        report = await works.purge.run()
    return {
        "erased": report.erased,
        "files": report.files,
        "bytes": report.size_bytes,
        "failed": report.failed,
        "breaches": report.breaches,
        "waiting_for_log": report.unscrubbed,
    }


async def _plan(works: "Works") -> "tuple[Instant, list[Removal]]":
    """What is on record as due, and what a purge would find to be due though nobody has recorded it yet."""
    now, catalog = works.base.clock.now(), works.base.catalog
    due = await works.purge.plan(_SHOWN_AT_MOST)
    known = {removal.document_id for removal in due}
    cursor: int | None = 0
    while cursor is not None:
        # A batch at a time: whoever reads for long keeps the daemon from cutting the log.
        found, cursor = await catalog.read(partial(_unrecorded, rules=works.rules, now=now, cursor=cursor))
        due += [removal for removal in found if removal.document_id not in known]
    entries = await catalog.read(partial(_unrecorded_entries, rules=works.rules, now=now))
    due += [removal for removal in entries if removal.document_id not in known]
    expired = await catalog.read(partial(_expired_files, rules=works.rules, now=now))
    return now, due + [removal for removal in expired if removal.document_id not in known]


def _unrecorded(view: "View", rules: "Rules", now: "Instant", cursor: int) -> "tuple[list[Removal], int | None]":
    from ipsync.jobs.reachability import OUTAGE_NOTE
    from ipsync.policy.documents import DocumentState
    from ipsync.policy.permission import bar
    from ipsync.policy.removals import Reason, Stage
    from ipsync.policy.sealing import Outage, may_seal
    from ipsync.policy.sweeping import owe_document, suspect

    batch = view.documents_after(cursor, _BATCH)
    states = {account.account_id: account.state for account in view.accounts()}
    outage = Outage.decode(view.note(OUTAGE_NOTE))
    found: list[Removal] = []
    for document in batch:
        if document.state is DocumentState.DOOMED:
            continue
        if now - document.verified_at >= rules.lease.erase_age + rules.lease.grace(document.state):
            if may_seal(document, states.get(document.account_id), outage, rules.lease):
                continue
            found.append(owe_document(document, Reason.EXPIRED, now, rules.lease, Stage.CONFIRMED, "deadline"))
        elif bar(rules.view, document.account_id, document.facts, now):
            found.append(suspect(document, Reason.POLICY_CHANGE, document.verified_at, now, rules.lease, "")[1])
    return found, batch[-1].document_id if batch else None


def _unrecorded_entries(view: "View", rules: "Rules", now: "Instant") -> "list[Removal]":
    from ipsync.policy.documents import DocumentState
    from ipsync.policy.entries import EntryKind, entry_bar, owe_entry
    from ipsync.policy.removals import Reason, Stage

    found: list[Removal] = []
    for entry in [one for kind in EntryKind for one in view.entries_of(kind, _MOST_FILES)]:
        if entry.state is DocumentState.DOOMED:
            continue
        is_named = entry.kind in rules.kinds
        if now - entry.verified_at >= rules.lease.erase_age:
            found.append(owe_entry(entry, Reason.EXPIRED, now, rules.lease, Stage.CONFIRMED, "deadline", now))
        elif not is_named or entry_bar(rules.view, entry.kind, entry.account_id, entry.levels, now):
            found.append(owe_entry(entry, Reason.POLICY_CHANGE, now, rules.lease, Stage.CONFIRMED, "", now))
    return found


def _expired_files(view: "View", rules: "Rules", now: "Instant") -> "list[Removal]":
    from ipsync.policy.removals import Reason
    from ipsync.policy.sweeping import owe_files

    found: list[Removal] = []
    for names, ttl in rules.ttl.of_renditions():
        expired = view.renditions_stored_before(now - ttl, names, _MOST_FILES)
        documents = view.documents({entry.document_id for entry in expired})
        found += [
            owe_files(documents[entry.document_id], [entry.file.rendition], Reason.EXPIRED, now, rules.lease)
            for entry in expired
            if entry.document_id in documents
        ]
    return found


def _as_json(removal: "Removal") -> dict[str, Any]:
    from ipsync.policy.entries import subject_names

    return {
        "removal_id": removal.removal_id or None,
        **subject_names(removal.document_id),
        "account_id": str(removal.account_id),
        "reason": removal.reason.value,
        "stage": removal.stage.value,
        "scope": removal.scope.value,
        "erase_by": session.instant_text(removal.erase_by),
    }


def _print_plan(now: "Instant", due: "Sequence[Removal]") -> None:
    """Show how much is due for which reason; the single documents are in the JSON."""
    from ipsync.policy.entries import subject_words

    groups: dict[tuple[int, str, str], list[Instant]] = {}
    for removal in due:
        is_whole = removal.scope.value == "document"
        what = subject_words(removal.document_id).rpartition(" ")[0] if is_whole else removal.scope.value
        key = (removal.account_id, removal.reason.value, what)
        groups.setdefault(key, []).append(removal.erase_by)
    output.print_table(
        ("account", "reason", "what", "how many", "by law"),
        [
            (account_id, reason, "files" if what == "files" else f"{what}s", len(deadlines), _by(deadlines, now))
            for (account_id, reason, what), deadlines in groups.items()
        ],
        title="Due now; nothing was erased. --json names each." if groups else "",
        empty="Nothing is due.",
    )


def _by(deadlines: "Sequence[Instant]", now: "Instant") -> str:
    return session.ago(min(deadlines), now)
