"""What `ipsync albums`, `folders`, `articles` and `profiles` share: listing and showing one kind of entry."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.documents import Tombstone
    from ipsync.policy.entries import Entry
    from ipsync.policy.instants import Instant
    from ipsync.policy.removals import Removal

    _Past = tuple[Tombstone | None, list[Removal]]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="Only this member, by user id or user name.")
]
After = Annotated[int, typer.Option("--after", metavar="ID", min=0, help="Only ids above this, for the next page.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many at most.")]


def entry_app(kind: str) -> typer.Typer:
    """Build the commands of one kind.

    Args:
        kind: `album`, `folder`, `article` or `profile`.
    """
    command = f"ipsync {kind}s"
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        help=f"Show mirrored {kind}s.",
        epilog=examples(f"{command} list --account 31337", f"{command} show 4711 --json"),
    )

    def list_them(
        ctx: typer.Context,
        account: AccountOption = None,
        after: After = 0,
        limit: Limit = 50,
        as_json: AsJson = False,
    ) -> None:
        _list(ctx, kind, account, after, limit, as_json=as_json)

    def show(
        ctx: typer.Context,
        entry_id: Annotated[int, typer.Argument(metavar="ID", min=1, help=f"The {kind}'s id at ipernity.")],
        as_json: AsJson = False,
    ) -> None:
        _show(ctx, kind, entry_id, as_json=as_json)

    list_them.__doc__ = f"Show mirrored {kind}s, by id. Hidden ones are shown here only, never served."
    show.__doc__ = f"Show all that is known of one {kind}, also when it is gone."
    app.command("list", epilog=examples(f"{command} list", f"{command} list --limit 20 --json"))(list_them)
    app.command("show", epilog=examples(f"{command} show 4711", f"{command} show 4711 --json"))(show)
    return app


def _list(ctx: typer.Context, kind: str, account: str | None, after: int, limit: int, *, as_json: bool) -> None:
    async def read(works: "Works") -> "tuple[Instant, list[_Shown]]":
        from ipsync.policy.entries import EntryKind

        account_id = None if account is None else (await session.find_account(works, account)).account_id
        now = works.base.clock.now()
        return now, await _look(
            works, now, lambda view: view.entries_of(EntryKind(kind), limit, after=after, account_id=account_id)
        )

    now, found = session.work_on(ctx, read, needs=("state_key",))
    following = str(found[-1].entry.entry_id) if len(found) == limit else None
    if as_json:
        output.emit_json({f"{kind}s": [shown.as_json() for shown in found], "next_after": following})
        return
    output.print_table(
        ("id", "account", "state", "title", "holds", "served until"),
        [
            (
                shown.entry.entry_id,
                shown.entry.account_id,
                shown.entry.state.value,
                shown.entry.title,
                len(shown.entry.content.members),
                session.ago(shown.serve_until, now) if shown.is_served else "not served",
            )
            for shown in found
        ],
        empty=f"There is no such {kind} here.",
        elastic="title",
    )
    if following is not None:
        output.say(f"There may be more: --after {following}")


def _show(ctx: typer.Context, kind: str, entry_id: int, *, as_json: bool) -> None:
    async def read(works: "Works") -> "tuple[Instant, _Shown | None, _Past]":
        from ipsync.policy.entries import LARGEST_ENTRY_ID, EntryKind, subject_number

        now = works.base.clock.now()
        if entry_id > LARGEST_ENTRY_ID:
            return now, None, (None, [])
        number = subject_number(EntryKind(kind), entry_id)
        found = await _look(works, now, lambda view: list(view.entries([number]).values()))
        past = await works.base.catalog.read(
            lambda view: (view.tombstones([number]).get(number), view.removals(document_ids=[number]))
        )
        return now, found[0] if found else None, past

    now, shown, (stone, removals) = session.work_on(ctx, read, needs=("state_key",))
    if shown is None and stone is None and not removals:
        output.fail(f"{kind} {entry_id} is not known here", f"`ipsync {kind}s list` shows what is")
    if as_json:
        row: dict[str, Any] = {f"{kind}_id": str(entry_id), "state": "gone"}
        output.emit_json((row if shown is None else shown.as_json(with_content=True)) | _past_as_json(stone, removals))
        return
    if shown is None:
        output.print_facts([("id", entry_id), ("state", "gone: erased; only its number is remembered")])
    else:
        entry = shown.entry
        output.print_facts(
            [
                ("id", entry.entry_id),
                ("account", entry.account_id),
                ("state", entry.state.value),
                ("title", entry.title or None),
                ("holds", ", ".join(map(str, entry.content.members)) or None),
                ("mirrored", session.moment(entry.mirrored_at, now)),
                ("checked", session.moment(entry.verified_at, now)),
                ("served until", session.moment(shown.serve_until, now) if shown.is_served else "not served"),
                ("erased by", f"{session.moment(shown.erase_by, now)}, unless it is checked before"),
                ("hidden", session.moment(entry.hidden_at, now) if entry.hidden_at is not None else None),
                ("text", entry.content.text or None),
            ]
        )
    for removal in removals:
        end = f"gone {session.ago(removal.gone_at, now)}" if removal.gone_at else removal.stage.value
        output.say(f"Removal ({removal.reason.value}): hidden {session.ago(removal.hidden_at, now)}, {end}.")


class _Shown:
    """One entry with what these commands say of it."""

    def __init__(self, entry: "Entry", works: "Works", *, is_served: bool) -> None:
        """Judge `entry` by the lease of `works`; `is_served` says whether anything of it may be shown now."""
        lease = works.rules.lease
        self.entry = entry
        self.is_served = is_served
        self.serve_until = lease.serve_until(entry.verified_at)
        self.erase_by = lease.erase_by(entry.verified_at)

    def as_json(self, *, with_content: bool = False) -> dict[str, Any]:
        """The same for scripts."""
        entry = self.entry
        told = {
            f"{entry.kind.value}_id": str(entry.entry_id),
            "account_id": str(entry.account_id),
            "state": entry.state.value,
            "served": self.is_served,
            "title": entry.title,
            "visibility": sorted(level.word for level in entry.levels),
            "verified_at": session.instant_text(entry.verified_at),
            "serve_until": session.instant_text(self.serve_until),
            "erase_by": session.instant_text(self.erase_by),
            "hidden_at": session.instant_text(entry.hidden_at),
            "mirrored_at": session.instant_text(entry.mirrored_at),
        }
        if with_content:
            told |= {"members": [str(number) for number in entry.content.members], "text": entry.content.text}
        return told


async def _look(works: "Works", now: "Instant", choose: Any) -> list[_Shown]:
    """Read entries; `choose` takes them from a view. Served is what its own lease, account and settings allow now."""

    def read(view: Any) -> list[_Shown]:
        from ipsync.policy.accounts import SERVED_STATES
        from ipsync.policy.entries import entry_bar, may_serve_entry

        rules = works.rules
        served = {account.account_id for account in view.accounts(SERVED_STATES)}
        return [
            _Shown(
                entry,
                works,
                is_served=entry.account_id in served
                and entry.kind in rules.kinds
                and may_serve_entry(rules.lease, entry, now)
                and entry_bar(rules.view, entry.kind, entry.account_id, entry.levels, now) is None,
            )
            for entry in choose(view)
        ]

    return await works.base.catalog.read(read)


def _past_as_json(stone: "Tombstone | None", removals: "list[Removal]") -> dict[str, Any]:
    return {
        "tombstone": None if stone is None else {"reason": stone.reason, "since": session.instant_text(stone.since)},
        "removals": [
            {
                "reason": removal.reason.value,
                "stage": removal.stage.value,
                "hidden_at": session.instant_text(removal.hidden_at),
                "gone_at": session.instant_text(removal.gone_at),
                "erase_by": session.instant_text(removal.erase_by),
                "certificate": removal.certificate,
            }
            for removal in removals
        ],
    }
