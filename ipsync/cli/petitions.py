"""`ipsync removal queue|grant|decline`: decide where somebody asks without proof that a document is theirs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.petitions import Standing
    from ipsync.policy.instants import Instant
    from ipsync.policy.petitions import Petition
    from ipsync.policy.requests import Words

_KEY_ONLY = ("state_key",)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Number = Annotated[int, typer.Argument(metavar="PETITION", min=1, help="The number in the queue.")]

_OUTCOMES = {
    "granted": "you agreed",
    "declined": "you declined",
    "unanswered": "complied with: nobody had decided",
    "absent": "nothing of it was held",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of `ipsync removal`."""
    app.command("queue", epilog=examples("ipsync removal queue", "ipsync removal queue --all --json"))(queue)
    app.command("grant", epilog=examples("ipsync removal grant 3", "ipsync removal grant 3 --json"))(grant)
    app.command("decline", epilog=examples("ipsync removal decline 3"))(decline)


def queue(
    ctx: typer.Context,
    show_all: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    after: Annotated[int, typer.Option(metavar="PETITION", min=0, help="Only above this, for the next page.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=500, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who asks to have a document removed without having shown that it is theirs.

    What nobody decides in time is complied with: "decide" tells until when. An owner who signs in through ipernity
    needs no decision, and is not in this queue.
    """

    async def read(works: "Works") -> "tuple[Instant, list[Petition], dict[int, Words], set[int]]":
        found = await works.base.catalog.read(
            lambda view: view.petitions(waiting_only=not show_all, after=after, limit=limit)
        )
        words, held = await works.base.catalog.read(
            lambda view: (
                view.petition_words([entry.petition_id for entry in found]),
                {entry.petition_id for entry in found if view.holding(entry.subject).documents},
            )
        )
        return works.base.clock.now(), found, dict(words), held

    now, found, words, held = session.work_on(ctx, read, needs=_KEY_ONLY)
    following = str(found[-1].petition_id) if len(found) == limit else None
    if as_json:
        told = [_petition_json(entry, words.get(entry.petition_id)) for entry in found]
        output.emit_json({"petitions": told, "next_after": following})
        return
    output.print_table(
        ("petition", "what", "account", "held", "asked", "decide", "outcome", "contact", "note"),
        [
            (
                entry.petition_id,
                entry.subject.name,
                entry.subject.account_id or None,
                "yes" if entry.petition_id in held else "no",
                session.moment(entry.received_at, now),
                session.ago(entry.decide_by, now) if entry.waits else None,
                _OUTCOMES[entry.outcome.value] if entry.outcome else "waits",
                words[entry.petition_id].contact or None if entry.petition_id in words else None,
                words[entry.petition_id].note or None if entry.petition_id in words else None,
            )
            for entry in found
        ],
        empty="Nobody has asked." if show_all else "Nobody waits for a decision.",
        elastic="note",
    )
    if any(entry.waits for entry in found):
        output.say("To decide: ipsync removal grant PETITION, or ipsync removal decline PETITION")
    if following is not None:
        output.say(f"There may be more: --after {following}")


def grant(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Comply with a petition: hide the document now, erase it, and never mirror it again while the request stands."""

    async def comply(works: "Works") -> "Standing":
        from ipsync.jobs.requests import RequestRefusedError

        try:
            standing = await works.petitions.grant(number)
        except RequestRefusedError as refused:
            output.fail(str(refused))
        await works.purge.run()
        return standing

    standing = session.work_on(ctx, comply, needs=_KEY_ONLY, erases=True)
    if as_json:
        output.emit_json(_petition_json(standing.petition, None))
        return
    number = standing.petition.request_id
    output.say(f"It is hidden, and erased with what is due. The receipt: ipsync removal show {number}")


def decline(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Leave the document where it is: who asked is told so on their page, and to sign in if it is theirs."""

    async def end(works: "Works") -> "Standing":
        from ipsync.jobs.requests import RequestRefusedError

        try:
            return await works.petitions.decline(number)
        except RequestRefusedError as refused:
            output.fail(str(refused))

    standing = session.work_on(ctx, end, needs=_KEY_ONLY)
    if as_json:
        output.emit_json(_petition_json(standing.petition, None))
        return
    output.say("Declined. Who asked sees it on the page they were given.")


def _petition_json(petition: "Petition", words: "Words | None") -> dict[str, Any]:
    from ipsync.policy.entries import subject_names

    return {
        "petition_id": str(petition.petition_id),
        **subject_names(petition.subject.subject_id),
        "account_id": str(petition.subject.account_id) if petition.subject.account_id else None,
        "received_at": session.instant_text(petition.received_at),
        "decide_by": session.instant_text(petition.decide_by),
        "outcome": petition.outcome.value if petition.outcome else None,
        "decided_at": session.instant_text(petition.decided_at),
        "request_id": str(petition.request_id) if petition.request_id else None,
        "contact": words.contact if words else "",
        "note": words.note if words else "",
    }
