"""`ipsync token`: give applications tokens to read the mirror with, show them, take them back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ipsync.cli import WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.read_tokens import ReadTokens
    from ipsync.policy.instants import Instant
    from ipsync.policy.read_tokens import ReadToken, TokenScope

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Give applications tokens to read the mirror with, and take them back.",
    epilog=examples(
        "ipsync token create --name gallery --scope documents --scope media",
        "ipsync token list",
        "ipsync token revoke gallery",
    ),
)

T = TypeVar("T")

_KEY_ONLY = ("state_key",)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command(
    "create",
    epilog=examples(
        "ipsync token create --name gallery --scope documents --scope media --scope changes",
        'ipsync token create --name "Anna\'s page" --scope documents --account anna --until 2027-12-31 --json',
    ),
)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Whom it is for; tells tokens apart.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="What it opens: documents, media, changes.")
    ],
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Only what this member shares.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="When it ends: 2027-12-31, its first moment, UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown once, here; what is kept of it recognizes it, and cannot tell it."""
    scopes, expires_at = _scopes(scope), _until(until)

    async def make(works: "Works") -> "tuple[ReadToken, str]":
        account_id = None if account is None else (await session.find_account(works, account)).account_id
        return await _tokens(works).create(name, scopes, account_id, expires_at)

    made, text = _refusing(lambda: session.work_on(ctx, make, needs=_KEY_ONLY))
    if as_json:
        output.emit_json({**_json(made, made.created_at), "token": text})
        return
    output.say(text)
    output.complain(
        f'This is the token of "{made.name}"; it opens {_opens(made)}. It is not shown again: '
        "give it to the application now, and to nobody else. To take it back: "
        f"ipsync token revoke {made.token_id}"
    )


@app.command("list", epilog=examples("ipsync token list", "ipsync token list --all --json"))
def show_all(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Revoked and expired ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the tokens: whom they are for, what they open, when they were used last (the day, no finer)."""
    from ipsync.policy.read_tokens import Standing

    async def look(works: "Works") -> "tuple[Instant, list[ReadToken]]":
        return works.base.clock.now(), await _tokens(works).all()

    now, found = session.work_on(ctx, look, needs=_KEY_ONLY)
    shown = [token for token in found if every or token.standing(now) is Standing.VALID]
    if as_json:
        output.emit_json([_json(token, now) for token in shown])
        return
    if not shown:
        output.say("There is no valid token. To make one: ipsync token create --name NAME --scope documents")
        return
    output.print_table(
        ["token", "name", "opens", "of", "until", "last used", "state"],
        [
            [
                token.token_id,
                token.name,
                ", ".join(sorted(token.scopes)),
                "all" if token.account_id is None else f"account {token.account_id}",
                _day(token.expires_at),
                _day(token.used_on) or "never",
                token.standing(now).value,
            ]
            for token in shown
        ],
    )


@app.command("revoke", epilog=examples("ipsync token revoke gallery", "ipsync token revoke 3 --json"))
def revoke(
    ctx: typer.Context,
    named: Annotated[str, typer.Argument(metavar="TOKEN", help="Its name or number; never the token itself.")],
    as_json: AsJson = False,
) -> None:
    """Take a token back: from now on it opens nothing, also at a running daemon."""
    from ipsync.policy.read_tokens import PREFIX

    if named.startswith(PREFIX) and len(named) > 2 * len(PREFIX) + 20:
        output.fail(
            "that is the token itself, and it stands in this command's history now",
            "`ipsync token list` shows names and numbers: revoke it by one of them",
            WRONG,
        )

    async def take_back(works: "Works") -> "tuple[ReadToken, bool]":
        return await _tokens(works).revoke(named)

    token, was_valid = _refusing(lambda: session.work_on(ctx, take_back, needs=_KEY_ONLY))
    if as_json:
        output.emit_json(_json(token, token.revoked_at or token.created_at) | {"was_valid": was_valid})
        return
    words = "opens nothing any more" if was_valid else "had ended already"
    output.say(f'Token {token.token_id} ("{token.name}") {words}.')


def _tokens(works: "Works") -> "ReadTokens":
    from ipsync.jobs.read_tokens import ReadTokens

    return ReadTokens(works.base.catalog, works.base.clock)


def _refusing(work: Callable[[], T]) -> T:
    from ipsync.jobs.read_tokens import TokenRefusedError, TokenUnknownError

    try:
        return work()
    except TokenUnknownError as unknown:
        output.fail(str(unknown), unknown.remedy)
    except TokenRefusedError as refused:
        output.fail(str(refused), refused.remedy, WRONG)


def _scopes(words: list[str]) -> "frozenset[TokenScope]":
    from ipsync.policy.read_tokens import TokenScope

    known = {scope.value: scope for scope in TokenScope}
    for word in words:
        if word not in known:
            output.fail(f'"{word}" is no scope', f"use one or more of {', '.join(known)}", WRONG)
    return frozenset(known[word] for word in words)


def _until(text: str | None) -> "Instant | None":
    from ipsync.settings.problems import Unfit
    from ipsync.settings.units import read_day

    if text is None:
        return None
    try:
        return read_day(text)
    except Unfit as wrong:
        output.fail(f'--until "{text}" {wrong.reason}', wrong.remedy, WRONG)


def _json(token: "ReadToken", now: "Instant") -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "account_id": None if token.account_id is None else str(token.account_id),
        "state": token.standing(now).value,
        "created_at": session.instant_text(token.created_at),
        "expires_at": session.instant_text(token.expires_at),
        "revoked_at": session.instant_text(token.revoked_at),
        "last_used_on": _day(token.used_on),
    }


def _opens(token: "ReadToken") -> str:
    what = ", ".join(sorted(token.scopes))
    return what if token.account_id is None else f"{what} of account {token.account_id}"


def _day(instant: "Instant | None") -> str | None:
    text = session.instant_text(instant)
    return None if text is None else text[:10]
