"""`ipsync drill`: take one document back, as it were, and measure how hiding and erasing go."""

import asyncio
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, output, session, settings_from

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.drill import Candidate, DrillState
    from ipsync.policy.drills import Drill
    from ipsync.policy.instants import Duration
    from ipsync.policy.lease import Lease

app = typer.Typer(add_completion=False)

_LOOK_SECONDS = 0.2
_BACK_PARTS = 144
"""How long coming back may take: this part of the window, 10 min of 24 h."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What a drill was, and how it went, up to and with its erasure."""

    candidate: "Candidate"
    drill: "Drill"
    state: "DrillState"
    lease: "Lease"
    beside: str | None


@app.command(
    epilog=examples(
        "ipsync drill --dry-run   # which document it would take",
        "ipsync drill             # beside a running daemon, too",
        "ipsync drill 41234567 --json",
        "ipsync drill --patient   # leave the schedule alone, and so measure how long finding out takes",
    ),
)
def drill(
    ctx: typer.Context,
    document: Annotated[
        int | None, typer.Argument(metavar="[DOCUMENT]", min=1, help="Its id; without it, one is chosen.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which document it would take.")] = False,
    patient: Annotated[
        bool, typer.Option("--patient", help="Wait for the next planned reading; may take hours. Needs a daemon.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Rehearse a withdrawal on one document, for real: hidden, confirmed, erased, measured, mirrored again.

    Nothing at ipernity is changed: only ipsync's own source answers as if its owner had taken the document back. It is
    not shown for a minute or so. The ledger says that it was a drill. Exit with 3 if it took longer than promised, or
    if anything of it was left.
    """
    if dry_run:
        _rehearse(ctx, document, as_json)
        return
    held = session.work_on(ctx, lambda works: _hold(works, document, patient), erases=True)
    # The database is read byte by byte while no connection of this process is open: closing it would drop their locks.
    traces = _traces(settings_from(ctx).database.path, held.candidate.marks) if held.state.stage == "gone" else []
    is_back = session.work_on(ctx, lambda works: _come_back(works, held), erases=True)
    told = _as_json(held, traces, is_back)
    if as_json:
        output.emit_json(told)
    else:
        _print(held, told)
    if not (told["in_time"] and told["gone"] and is_back):
        output.leave(FOUND)


def _rehearse(ctx: typer.Context, document: int | None, as_json: bool) -> None:
    async def choose(works: "Works") -> "tuple[Candidate, str | None]":
        return await works.drill.choose(document), session.other_process(works)

    candidate, beside = session.work_on(ctx, choose, needs=("state_key",))
    found = candidate.document
    if as_json:
        names = [entry.file.rendition for entry in candidate.files]
        ids = {"document_id": str(found.document_id), "account_id": str(found.account_id)}
        output.emit_json({**ids, "renditions": names, "beside": beside})
        return
    output.say(
        f"It would take document {found.document_id} of account {found.account_id} with "
        f"{session.counted(len(candidate.files), 'file')}"
        f"{f', and let {beside} go through with it' if beside else ''}. Nothing was changed."
    )


async def _hold(works: "Works", document: int | None, patient: bool) -> _Held:
    """Hold the drill up to the end of erasing, or of the promise."""
    run, lease, clock = works.drill, works.rules.lease, works.base.clock
    beside = session.other_process(works)
    if patient and beside is None:
        output.fail("--patient needs a running daemon, whose schedule it is", "start it, or leave --patient out", WRONG)
    candidate = await run.choose(document)
    drill = await run.begin(candidate)
    is_done = False
    try:
        with output.progress(f"drill with document {drill.document_id}", 4) as tell:
            if beside is None:
                await run.work(drill)
            state = await run.look(drill, candidate.files)
            shown = 0
            while beside is not None and state.stage != "gone" and clock.now() < drill.until:
                if not patient and state.stage == "shared":
                    await run.hasten(drill)
                await asyncio.sleep(_LOOK_SECONDS)
                state = await run.look(drill, candidate.files)
                at = ("shared", "hidden", "confirmed", "erased", "gone").index(state.stage)
                tell(max(0, at - shown))
                shown = max(shown, at)
        is_done = True
    finally:
        if not is_done:
            await run.end(drill)
    return _Held(candidate, drill, state, lease, beside)


async def _come_back(works: "Works", held: _Held) -> bool:
    """End the drill, and see the document mirrored again."""
    run, clock = works.drill, works.base.clock
    await run.end(held.drill)
    until = clock.now() + max(held.lease.window // _BACK_PARTS, 30_000_000)
    with output.progress("mirroring it again"):
        while not await run.is_back(held.candidate):
            if clock.now() >= until:
                return False
            if session.other_process(works) is None:
                await run.fetch_again(held.drill)
            else:
                await run.hasten(held.drill)
                await asyncio.sleep(_LOOK_SECONDS)
    return True


def _traces(database: Path, marks: Iterable[bytes]) -> list[str]:
    """Names of files beside the database, and of itself, in which something of the document still stands."""
    found = []
    for path in sorted(database.parent.glob(f"{database.stem}*")):
        if not path.is_file() or not path.stat().st_size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if any(content.find(mark) >= 0 for mark in marks):
                found.append(path.name)
    return found


def _as_json(held: _Held, traces: list[str], is_back: bool) -> dict[str, Any]:
    drill, state, lease = held.drill, held.state, held.lease
    removal = state.removal
    hide = removal.hidden_at - drill.began_at if removal is not None else None
    erase = removal.gone_at - drill.began_at if removal is not None and removal.gone_at is not None else None
    in_time = hide is not None and erase is not None and hide <= lease.serve_age and erase <= lease.window
    is_gone = state.stage == "gone" and not (state.files_left or state.text_left or traces)
    return {
        "document_id": str(drill.document_id),
        "account_id": str(drill.account_id),
        "began_at": session.instant_text(drill.began_at),
        "hidden_at": session.instant_text(removal.hidden_at) if removal else None,
        "confirmed_at": session.instant_text(removal.confirmed_at) if removal else None,
        "gone_at": session.instant_text(removal.gone_at) if removal else None,
        "hide_seconds": _seconds(hide),
        "erase_seconds": _seconds(erase),
        "promised": {"hide_seconds": _seconds(lease.serve_age), "erase_seconds": _seconds(lease.window)},
        "in_time": in_time,
        "gone": is_gone,
        "stage": state.stage,
        "files": len(held.candidate.files),
        "files_left": state.files_left,
        "text_left": state.text_left,
        "traces_in": traces,
        "ledger_entry": state.entry,
        "marked_as_drill": removal is not None and removal.reason.value == "drill",
        "mirrored_again": is_back,
        "beside": held.beside,
    }


def _seconds(duration: "Duration | None") -> float | None:
    from ipsync.policy.instants import seconds

    return None if duration is None else seconds(duration)


def _print(held: _Held, told: dict[str, Any]) -> None:
    drill, removal, lease = held.drill, held.state.removal, held.lease

    def after(instant: int | None) -> str:
        return "not at all" if instant is None else f"after {session.span(instant - drill.began_at)}"

    output.print_facts(
        [
            ("document", f"{drill.document_id} of account {drill.account_id}"),
            ("taken back, as it were", session.clock_text(drill.began_at)),
            ("hidden", f"{after(removal.hidden_at if removal else None)} (promised: {session.span(lease.serve_age)})"),
            ("confirmed", after(removal.confirmed_at if removal else None)),
            ("gone", f"{after(removal.gone_at if removal else None)} (promised: {session.span(lease.window)})"),
            ("files, by looking", f"{told['files_left']} of {told['files']} left"),
            ("text, by looking", ", ".join(told["traces_in"]) or ("still held" if told["text_left"] else "none left")),
            (
                "ledger",
                f"entry {told['ledger_entry']}, as a drill" if told["marked_as_drill"] else "no entry of a drill",
            ),
            ("mirrored again", "yes" if told["mirrored_again"] else "not yet"),
        ]
    )
    if not told["in_time"]:
        output.complain(f"It took longer than promised: it came as far as: {told['stage']}.")
    elif not told["gone"]:
        output.complain("Something of it was left.")
    if not told["mirrored_again"]:
        output.complain("It is not back yet: its owner may not share it any more; else the next sync brings it.")
