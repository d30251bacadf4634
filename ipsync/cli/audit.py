"""`ipsync audit`: look whether everything held may be held, and whether what proves it is whole."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.audit import AuditReport
    from ipsync.policy.auditing import Finding, Kind

app = typer.Typer(add_completion=False)

_BESIDE_SECONDS = 5.0
_MOST_TURNS = 5
_MOST_SHOWN = 5


@app.command(
    epilog=examples(
        "ipsync audit                     # also beside a running daemon",
        "ipsync audit --deep --json       # read every stored file, for an auditor",
        "ipsync audit --repair --dry-run  # what would be mended, and how",
        "ipsync audit --repair",
    ),
)
def audit(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be: hide, erase, fetch anew; no daemon may run.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --repair: only say what would be done.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every stored file and compare its digest.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare store, catalog, grants, tombstones, leases and ledger. Exit with 3 if something is found.

    Findings name documents by number, never by content. Nothing is changed without --repair. That mends in the
    closed direction only: in doubt it hides or erases, and what may be kept is fetched anew by the next sync. What
    it mended is told; exit code 3 then means that something is left. Evidence that was altered is never mended.
    What is left is an incident until an audit finds nothing.
    """
    if dry_run and not repair:
        output.fail("--dry-run goes with --repair", "without --repair nothing is changed anyway", WRONG)
    if repair and not dry_run:
        found, left = session.work_on(ctx, lambda works: _mend(works, deep), needs=("state_key",), alone=True)
    else:
        found = session.work_on(ctx, lambda works: _look(works, deep), needs=("state_key",))
        left = None
    if as_json:
        output.emit_json(_as_json(found, left))
    else:
        _print(found, left, is_rehearsal=repair and dry_run)
    if (found if left is None else left).findings.total:
        output.leave(FOUND)


async def _look(works: "Works", deep: bool) -> "AuditReport":
    from contextlib import suppress

    from ipsync.jobs.audit_standing import WHOLE, remember_findings
    from ipsync.ports.catalog import CatalogFailure

    patience = _BESIDE_SECONDS if session.other_process(works) else 0.0
    with output.progress("auditing", await works.audit.total()) as tell:
        report = await works.audit.run(deep=deep, patience_seconds=patience, tell=tell)
    # What was found is told here, whether or not it can be written down for the daemon's incidents.
    with suppress(CatalogFailure):
        await remember_findings(works.base.catalog, WHOLE, report.findings.total)
    return report


async def _mend(works: "Works", deep: bool) -> "tuple[AuditReport, AuditReport]":
    """Audit, mend, audit again, as long as that makes less of it. Gives the first audit and the last."""
    first = last = await _look(works, deep)
    for _ in range(_MOST_TURNS):
        if not any(kind.mending for kind in last.findings.kinds):
            break
        with output.progress("mending"):
            await works.repair.run(last.findings)
        before, last = last, await _look(works, deep)
        if last.findings.total >= before.findings.total:
            break
    return first, last


def _as_json(found: "AuditReport", left: "AuditReport | None") -> dict[str, Any]:
    told = {
        "clean": not (found if left is None else left).findings.total,
        "at": session.instant_text(found.at),
        "deep": found.is_deep,
        "looked_at": {"documents": found.documents, "files": found.files, "ledger_entries": found.entries},
        "found": found.findings.total,
        "findings": _findings_json(found),
    }
    if left is not None:
        told |= {"mended": _mended(found, left), "left": _findings_json(left)}
    return told


def _findings_json(report: "AuditReport") -> list[dict[str, Any]]:
    from ipsync.jobs.audit import as_words

    return [
        {
            "kind": kind.value,
            "severity": kind.severity.value,
            "what": kind.meaning,
            "count": report.findings.counts[kind],
            "where": [_with_texts(as_words(finding)) for finding in report.findings.examples[kind]],
            "mending": kind.mending or None,
            "remedy": _remedy(kind),
        }
        for kind in report.findings.kinds
    ]


def _with_texts(words: dict[str, object]) -> dict[str, object]:
    """Ids as texts, as everywhere: they are larger than what JSON's readers keep of a number."""
    ours = ("removal_id", "request_id")
    return {name: str(value) if name.endswith("_id") and name not in ours else value for name, value in words.items()}


def _mended(found: "AuditReport", left: "AuditReport") -> list[dict[str, Any]]:
    return [
        {"kind": kind.value, "count": number, "how": kind.mending}
        for kind in found.findings.kinds
        if (number := found.findings.counts[kind] - left.findings.counts[kind]) > 0
    ]


def _remedy(kind: "Kind") -> str:
    return kind.remedy or "ipsync audit --repair"


def _print(found: "AuditReport", left: "AuditReport | None", *, is_rehearsal: bool) -> None:
    looked = (
        f"{session.counted(found.documents, 'document')}, {session.counted(found.files, 'file')}"
        f"{' (each read)' if found.is_deep else ''}, {found.entries:,} ledger "
        f"{'entry' if found.entries == 1 else 'entries'}"
    )
    if not found.findings.total:
        output.say(f"Nothing was found: {looked}.")
        return
    output.say(f"Looked at {looked}.")
    for kind in found.findings.kinds:
        _print_kind(found, kind, is_rehearsal=is_rehearsal or left is not None)
    if left is None:
        if is_rehearsal:
            output.say("Nothing was changed.")
        return
    for done in _mended(found, left):
        output.say(f"Mended: {done['count']:,} × {done['kind']}: {done['how']}.")
    if left.findings.total:
        output.complain(f"{session.counted(left.findings.total, 'finding')} left:")
        for kind in left.findings.kinds:
            _print_kind(left, kind, is_rehearsal=False)
    else:
        output.say("A second audit found nothing.")


def _print_kind(report: "AuditReport", kind: "Kind", *, is_rehearsal: bool) -> None:
    number, shown = report.findings.counts[kind], report.findings.examples[kind][:_MOST_SHOWN]
    more = f" and {number - len(shown):,} more" if number > len(shown) else ""
    if not is_rehearsal:
        then = f"-> {_remedy(kind)}"
    else:
        then = f"--repair: {kind.mending}" if kind.mending else f"not mended: {kind.remedy}"
    where = "; ".join(map(_where, shown))
    output.say(f"{kind.severity.value}: {number:,} × {kind.value}: {kind.meaning}\n  {where}{more}\n  {then}")


def _where(finding: "Finding") -> str:
    from ipsync.jobs.audit import as_words

    words = as_words(finding)
    note = words.pop("note", None)
    named = [f"{name.removesuffix('_id')} {value}" for name, value in words.items()]
    return ", ".join([*named, *([str(note)] if note else [])]) or "-"
