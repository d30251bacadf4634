"""`ipsync incidents`: what needed a person, since when, and who was told."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.incidents import Incident
    from ipsync.policy.instants import Instant
    from ipsync.policy.notices import Delivery

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show what needed a person, and who was told.",
    epilog=examples(
        "ipsync incidents list         # those that go on",
        "ipsync incidents list --all",
        "ipsync incidents show 12",
    ),
)

_KEY_ONLY = ("state_key",)
_MOST = 100
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list", epilog=examples("ipsync incidents list", "ipsync incidents list --all --limit 20 --json"))
def list_incidents(
    ctx: typer.Context,
    past: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=1000, help="How many at most.")] = _MOST,
    as_json: AsJson = False,
) -> None:
    """Show incidents, the newest first. A running daemon looks for new ones about every minute.

    Exit code 3 says that some go on.
    """

    async def read(works: "Works") -> "tuple[Instant, list[Incident]]":
        found = await works.base.catalog.read(lambda view: view.incidents(open_only=not past, limit=limit))
        return works.base.clock.now(), found

    now, found = session.work_on(ctx, read, needs=_KEY_ONLY)
    if as_json:
        output.emit_json({"incidents": [incident_json(incident) for incident in found]})
    else:
        _print(found, now, past=past)
    if any(incident.is_open for incident in found):
        output.leave(FOUND)


def _print(found: "list[Incident]", now: "Instant", *, past: bool) -> None:
    from ipsync.policy.notices import incident_headline

    output.print_table(
        ("id", "since", "what", "over"),
        [
            (
                incident.incident_id,
                session.clock_text(incident.opened_at),
                incident_headline(incident),
                None if incident.resolved_at is None else session.ago(incident.resolved_at, now),
            )
            for incident in found
        ],
        empty="Nothing ever needed a person." if past else "Nothing needs a person now.",
        elastic="what",
    )


@app.command("show", epilog=examples("ipsync incidents show 12", "ipsync incidents show 12 --json"))
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="INCIDENT", min=1, help="Its number.")],
    as_json: AsJson = False,
) -> None:
    """Show one incident: what to do about it, and who was told when."""

    async def read(works: "Works") -> "tuple[Instant, Incident | None, list[Delivery]]":
        found, told = await works.base.catalog.read(lambda view: (view.incident(number), view.deliveries([number])))
        return works.base.clock.now(), found, told

    now, incident, told = session.work_on(ctx, read, needs=_KEY_ONLY)
    if incident is None:
        output.fail(f"there is no incident {number}", "`ipsync incidents list --all` shows all")
    if as_json:
        output.emit_json(incident_json(incident) | {"told": [_delivery_json(entry) for entry in told]})
        return
    from ipsync.policy.notices import advice, incident_headline

    output.print_facts(
        [
            ("what", incident_headline(incident)),
            ("condition", f"{incident.condition.value}{' (urgent)' if incident.condition.is_urgent else ''}"),
            ("since", session.moment(incident.opened_at, now)),
            ("over", session.moment(incident.resolved_at, now) if incident.resolved_at else "no, it goes on"),
            ("what to do", advice(incident.condition)),
            *((f"told by {entry.channel}", _told(entry, now)) for entry in told),
        ]
    )


def _told(entry: "Delivery", now: "Instant") -> str:
    parts = []
    if entry.opened_sent_at is not None:
        parts.append(f"of its beginning {session.ago(entry.opened_sent_at, now)}")
    if entry.resolved_sent_at is not None:
        parts.append(f"of its end {session.ago(entry.resolved_sent_at, now)}")
    if entry.failure:
        tries = session.counted(entry.attempts, "try").replace("trys", "tries")
        later = "given up" if entry.done_at is not None else f"next {session.ago(entry.next_try_at, now)}"
        parts.append(f"failed after {tries}: {entry.failure} ({later})")
    return "; ".join(parts) or "not yet"


def incident_json(incident: "Incident") -> dict[str, Any]:
    """One incident, for scripts."""
    from ipsync.policy.notices import incident_headline

    return {
        "incident": incident.incident_id,
        "condition": incident.condition.value,
        "subject": incident.subject,
        "number": incident.number,
        "urgent": incident.condition.is_urgent,
        "headline": incident_headline(incident),
        "opened_at": session.instant_text(incident.opened_at),
        "resolved_at": session.instant_text(incident.resolved_at),
    }


def _delivery_json(entry: "Delivery") -> dict[str, Any]:
    return {
        "channel": entry.channel,
        "opened_sent_at": session.instant_text(entry.opened_sent_at),
        "resolved_sent_at": session.instant_text(entry.resolved_sent_at),
        "attempts": entry.attempts,
        "failure": entry.failure,
        "given_up": bool(entry.failure) and entry.done_at is not None,
    }
