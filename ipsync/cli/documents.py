"""`ipsync documents`: what is mirrored, document by document."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import WRONG, output, session, settings_from

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.documents import Document, Rendition

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show mirrored documents.",
    epilog="\n\n".join(
        (
            "Examples:",
            "ipsync documents list --account 31337 --limit 20",
            "ipsync documents list --state suspect --json",
            "ipsync documents show 41234567",
        )
    ),
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_STATES = ("live", "suspect", "stale", "doomed")


@app.command("list")
def list_documents(
    ctx: typer.Context,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only this member, by user id or user name.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"Only documents in this state: {', '.join(_STATES)}.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Only ids above this, for the next page.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show mirrored documents, by id. Hidden ones are shown to you only, never served."""
    if state is not None and state not in _STATES:
        output.fail(f'"{state}" is no state', f"use one of {', '.join(_STATES)}", WRONG)

    async def read(works: "Works") -> list[dict[str, Any]]:
        from ipsync.policy.documents import DocumentState

        account_id = None if account is None else (await session.find_account(works, account)).account_id
        states = None if state is None else {DocumentState(state)}
        documents = await works.base.catalog.read(
            lambda view: view.documents_after(after, limit, account_id=account_id, states=states)
        )
        return [_describe(works, document, []) for document in documents]

    rows = session.work_on(settings_from(ctx, needs=("state_key",)), read)
    if as_json:
        output.emit_json({"documents": rows, "next_after": rows[-1]["document_id"] if len(rows) == limit else None})
        return
    output.print_table(
        ("id", "account", "state", "title", "license", "verified", "served until"),
        [
            (
                row["document_id"],
                row["account_id"],
                row["state"],
                row["title"],
                row["license"],
                row["verified_at"],
                row["serve_until"],
            )
            for row in rows
        ],
        empty="There is no such document here.",
    )
    if len(rows) == limit:
        output.say(f"More: --after {rows[-1]['document_id']}")


@app.command("show")
def show(
    ctx: typer.Context,
    document_id: Annotated[int, typer.Argument(metavar="DOCUMENT", min=1, help="The document's id at ipernity.")],
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one document, also when it is gone."""

    async def read(works: "Works") -> dict[str, Any] | None:
        catalog = works.base.catalog
        document = (await catalog.read(lambda view: view.documents([document_id]))).get(document_id)
        removals = await catalog.read(lambda view: view.removals(document_ids=[document_id]))
        stone = (await catalog.read(lambda view: view.tombstones([document_id]))).get(document_id)
        if document is None and stone is None and not removals:
            return None
        row: dict[str, Any] = {"document_id": str(document_id), "state": "gone"}
        if document is not None:
            files = await catalog.read(lambda view: view.renditions([document_id]))
            row = _describe(works, document, files.get(document_id, []))
        row["tombstone"] = (
            None if stone is None else {"reason": stone.reason, "since": session.instant_text(stone.since)}
        )
        row["removals"] = [
            {
                "reason": removal.reason.value,
                "stage": removal.stage.value,
                "hidden_at": session.instant_text(removal.hidden_at),
                "confirmed_at": session.instant_text(removal.confirmed_at),
                "gone_at": session.instant_text(removal.gone_at),
                "erase_by": session.instant_text(removal.erase_by),
                "certificate": removal.certificate,
            }
            for removal in removals
        ]
        return row

    row = session.work_on(settings_from(ctx, needs=("state_key",)), read)
    if row is None:
        output.fail(f"document {document_id} is not known here", "`ipsync documents list` shows what is")
    if as_json:
        output.emit_json(row)
        return
    removals = row.pop("removals")
    files = row.pop("renditions", [])
    output.print_table(
        ("", ""), [(key.replace("_", " "), None if value == "" else value) for key, value in row.items()]
    )
    if files:
        output.print_table(tuple(files[0]), [tuple(entry.values()) for entry in files], title="\nFiles")
    if removals:
        output.print_table(tuple(removals[0]), [tuple(entry.values()) for entry in removals], title="\nRemovals")


def _describe(works: "Works", document: "Document", files: "list[Rendition]") -> dict[str, Any]:
    from ipsync.assembly import site_of
    from ipsync.policy.licenses import LICENSES

    facts, lease = document.facts, works.rules.lease
    license_ = LICENSES.get(facts.license)
    return {
        "document_id": str(document.document_id),
        "account_id": str(document.account_id),
        "state": document.state.value,
        "title": facts.title,
        "media": facts.media.value,
        "license": license_.name if license_ else str(facts.license),
        "visibility": facts.visibility.word,
        "link": f"{site_of(works.settings.api.authorize_url)}/doc/{document.account_id}/{document.document_id}",
        "verified_at": session.instant_text(document.verified_at),
        "serve_until": session.instant_text(lease.serve_until(document.verified_at)),
        "erase_by": session.instant_text(lease.erase_by(document.verified_at)),
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
            for entry in files
        ],
    }
