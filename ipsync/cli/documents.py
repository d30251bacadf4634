"""`ipsync documents`: what is mirrored, document by document."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import WRONG, absences, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.certificates import Certificate
    from ipsync.policy.documents import Document, Rendition, Tombstone
    from ipsync.policy.instants import Instant
    from ipsync.policy.removals import Removal
    from ipsync.ports.catalog import View

    _Told = dict[int, Certificate]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show mirrored documents.",
    epilog=examples(
        "ipsync documents list --account 31337 --limit 20",
        "ipsync documents list --state suspect --json",
        "ipsync documents show 41234567",
    ),
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_STATES = {
    "live": "verified and served",
    "suspect": "missing at ipernity, hidden until it is asked again or erased",
    "stale": "not verified in time, hidden until it is",
    "sealed": "kept, hidden, beyond the law's time, since ipernity answers nobody",
    "doomed": "hidden, being erased",
    "gone": "erased; only its number is remembered",
}
_HELD_STATES = tuple(state for state in _STATES if state != "gone")


@app.command(
    "list",
    epilog=examples("ipsync documents list", "ipsync documents list --account 31337 --state suspect"),
)
def list_documents(
    ctx: typer.Context,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only this member, by user id or user name.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"Only documents in this state: {', '.join(_HELD_STATES)}.")
    ] = None,
    after: Annotated[int, typer.Option(metavar="ID", min=0, help="Only ids above this, for the next page.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show mirrored documents, by id.

    Hidden ones are shown here only, never served. "served until" tells how long a document is served unless
    ipernity names it again before.
    """
    if state is not None and state not in _HELD_STATES:
        output.fail(f'"{state}" is no state', f"use one of {', '.join(_HELD_STATES)}", WRONG)

    async def read(works: "Works") -> "list[_Shown]":
        from ipsync.policy.documents import DocumentState

        account_id = None if account is None else (await session.find_account(works, account)).account_id
        states = None if state is None else {DocumentState(state)}
        return await _look(works, lambda view: view.documents_after(after, limit, account_id=account_id, states=states))

    found = session.work_on(ctx, read, needs=("state_key",))
    following = str(found[-1].document.document_id) if len(found) == limit else None
    if as_json:
        output.emit_json({"documents": [shown.as_json() for shown in found], "next_after": following})
        return
    output.print_table(
        ("id", "account", "state", "title", "license", "served until"),
        [
            (
                shown.document.document_id,
                shown.document.account_id,
                shown.document.state.value,
                shown.document.facts.title,
                shown.license.partition(" (")[0],
                session.ago(shown.serve_until, shown.now) if shown.is_served else "not served",
            )
            for shown in found
        ],
        empty="There is no such document here.",
        elastic="title",
    )
    if following is not None:
        output.say(f"There may be more: --after {following}")


@app.command(
    "show",
    epilog=examples("ipsync documents show 41234567", "ipsync documents show 41234567 --json"),
)
def show(
    ctx: typer.Context,
    document_id: Annotated[int, typer.Argument(metavar="DOCUMENT", min=1, help="The document's id at ipernity.")],
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one document, also when it is gone."""

    async def read(works: "Works") -> "tuple[Instant, _Shown | None, Tombstone | None, list[Removal], _Told]":
        found = await _look(works, lambda view: list(view.documents([document_id]).values()))
        stones, removals = await works.base.catalog.read(
            lambda view: (view.tombstones([document_id]), view.removals(document_ids=[document_id]))
        )
        told = await works.base.catalog.read(lambda view: view.certificates_of(removals))
        return works.base.clock.now(), found[0] if found else None, stones.get(document_id), removals, told

    now, shown, stone, removals, told = session.work_on(ctx, read, needs=("state_key",))
    if shown is None and stone is None and not removals:
        output.fail(f"document {document_id} is not known here", "`ipsync documents list` shows what is")
    if as_json:
        row: dict[str, Any] = {"document_id": str(document_id), "state": "gone"}
        output.emit_json((row if shown is None else shown.as_json()) | _past_as_json(stone, removals, told))
        return
    if shown is None:
        output.print_facts([("id", document_id), ("state", f"gone: {_STATES['gone']}")])
    else:
        _print_held(shown)
    if stone is not None:
        output.say(f"Erased {session.ago(stone.since, now)} ({stone.reason}).")
    _print_removals(now, removals)
    for certificate in dict.fromkeys(told.values()):
        output.say(f"Missing in {absences.certificate_text(certificate, now)}.")


class _Shown:
    """One document with what these commands say of it."""

    def __init__(
        self,
        document: "Document",
        files: "Sequence[Rendition]",
        works: "Works",
        now: "Instant",
        *,
        account_is_served: bool,
    ) -> None:
        from ipsync.assembly import site_of
        from ipsync.policy.lease import may_serve
        from ipsync.policy.licenses import LICENSES
        from ipsync.policy.sealing import sealed_until

        self.document = document
        self.files = files
        self.now = now
        lease, facts = works.rules.lease, document.facts
        self.serve_until = lease.serve_until(document.verified_at)
        self.erase_by = lease.erase_by(document.verified_at) + lease.grace(document.state)
        self.sealed_until = sealed_until(document, lease)
        self.is_served = account_is_served and may_serve(lease, document, now)
        self.license = LICENSES[facts.license].name if facts.license in LICENSES else str(facts.license)
        self.link = f"{site_of(works.settings.api.authorize_url)}/doc/{document.account_id}/{document.document_id}"

    def as_json(self) -> dict[str, Any]:
        """The same for scripts."""
        document, facts = self.document, self.document.facts
        return {
            "document_id": str(document.document_id),
            "account_id": str(document.account_id),
            "state": document.state.value,
            "served": self.is_served,
            "title": facts.title,
            "media": facts.media.value,
            "license": self.license,
            "visibility": facts.visibility.word,
            "link": self.link,
            "verified_at": session.instant_text(document.verified_at),
            "serve_until": session.instant_text(self.serve_until),
            "erase_by": session.instant_text(self.erase_by),
            "sealed_until": session.instant_text(self.sealed_until),
            "hidden_at": session.instant_text(document.hidden_at),
            "mirrored_at": session.instant_text(document.mirrored_at),
            "renditions": [
                {
                    "rendition": entry.file.rendition,
                    "state": entry.state.value,
                    "bytes": entry.size_bytes,
                    "type": entry.content_type or None,
                    "stored_at": session.instant_text(entry.stored_at),
                    "attempts": entry.attempts,
                }
                for entry in self.files
            ],
        }


async def _look(works: "Works", choose: "Callable[[View], Sequence[Document]]") -> list[_Shown]:
    from ipsync.policy.accounts import SERVED_STATES

    now = works.base.clock.now()

    def read(view: "View") -> list[_Shown]:
        served = {account.account_id for account in view.accounts(SERVED_STATES)}
        documents = choose(view)
        files = view.renditions([document.document_id for document in documents])
        return [
            _Shown(
                document,
                files.get(document.document_id, ()),
                works,
                now,
                account_is_served=document.account_id in served,
            )
            for document in documents
        ]

    return await works.base.catalog.read(read)


def _past_as_json(stone: "Tombstone | None", removals: "Sequence[Removal]", told: "_Told") -> dict[str, Any]:
    return {
        "tombstone": None if stone is None else {"reason": stone.reason, "since": session.instant_text(stone.since)},
        "removals": [
            {
                "reason": removal.reason.value,
                "stage": removal.stage.value,
                "hidden_at": session.instant_text(removal.hidden_at),
                "confirmed_at": session.instant_text(removal.confirmed_at),
                "gone_at": session.instant_text(removal.gone_at),
                "erase_by": session.instant_text(removal.erase_by),
                "certificate": removal.certificate,
                "sweep": absences.certificate_json(told[removal.removal_id]) if removal.removal_id in told else None,
            }
            for removal in removals
        ],
    }


def _print_held(shown: _Shown) -> None:
    document, now = shown.document, shown.now
    state = document.state.value
    facts: list[tuple[str, object]] = [
        ("id", document.document_id),
        ("account", document.account_id),
        ("state", f"{state}: {_STATES[state]}"),
        ("title", document.facts.title or None),
        ("kind", document.facts.media.value),
        ("license", shown.license),
        ("visible to", document.facts.visibility.word),
        ("page", shown.link),
        ("mirrored", session.moment(document.mirrored_at, now)),
        ("checked", session.moment(document.verified_at, now)),
        ("served until", session.moment(shown.serve_until, now) if shown.is_served else "not served"),
        (
            "sealed until" if shown.sealed_until else "erased by",
            f"{session.moment(shown.erase_by, now)}, unless it is checked before",
        ),
    ]
    if document.hidden_at is not None:
        facts.append(("hidden", session.moment(document.hidden_at, now)))
    output.print_facts(facts)
    output.say("")
    output.print_table(
        ("file", "state", "size", "type", "stored", "tries"),
        [
            (
                entry.file.rendition,
                entry.state.value,
                session.size_text(entry.size_bytes) if entry.size_bytes else None,
                entry.content_type or None,
                session.ago(entry.stored_at, now) if entry.stored_at else None,
                entry.attempts or None,
            )
            for entry in shown.files
        ],
        empty="It has no files.",
    )


def _print_removals(now: "Instant", removals: "Sequence[Removal]") -> None:
    if removals:
        output.say("")
        output.print_table(
            ("removal", "stage", "hidden", "erased", "evidence"),
            [
                (
                    removal.reason.value,
                    removal.stage.value,
                    session.ago(removal.hidden_at, now),
                    session.ago(removal.gone_at, now)
                    if removal.gone_at
                    else f"due {session.ago(removal.erase_by, now)}",
                    removal.certificate or None,
                )
                for removal in removals
            ],
        )
