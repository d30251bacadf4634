"""`ipsync webhook`: who is told of changes as they happen, what they are owed, and why."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ipsync.cli import FAILED, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.webhooks import Told
    from ipsync.policy.instants import Instant
    from ipsync.policy.webhooks import Trouble, Webhook

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tell other programs of every change, as it happens.",
    epilog=examples(
        "ipsync webhook add https://gallery.example.org/ipsync",
        "ipsync webhook test 1",
        "ipsync webhook list",
    ),
)

T = TypeVar("T")

_KEY_ONLY = ("state_key",)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Number = Annotated[int, typer.Argument(metavar="WEBHOOK", min=1, help="Its number.")]


@app.command(
    "add",
    epilog=examples(
        "ipsync webhook add https://gallery.example.org/ipsync", "ipsync webhook add http://127.0.0.1:9000/ --json"
    ),
)
def add(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="URL", help="https, or an address of this machine itself.")],
    as_json: AsJson = False,
) -> None:
    """Have an address told of what happens from now on. Its secret is shown once, here."""
    webhook = _refusing(
        lambda: session.work_on(ctx, lambda works: works.telling.webhooks.add(address), needs=_KEY_ONLY)
    )
    if as_json:
        output.emit_json({"webhook_id": str(webhook.webhook_id), "secret": webhook.secret})
        return
    output.say(webhook.secret)
    output.complain(
        f"This is the secret of webhook {webhook.webhook_id}; its receiver checks signatures with it. It is not shown "
        f"again. The running daemon begins within seconds; to try it: ipsync webhook test {webhook.webhook_id}"
    )


@app.command("list", epilog=examples("ipsync webhook list", "ipsync webhook list --json"))
def show_all(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show webhooks by number: what each is owed, since when, and what went wrong last."""
    now, found = session.work_on(ctx, _look, needs=_KEY_ONLY)
    if as_json:
        output.emit_json([_json(told) for told in found])
        return
    output.print_table(
        ("webhook", "host", "state", "owed", "owed since", "delivered", "tries failed", "last trouble"),
        [
            (
                told.webhook.webhook_id,
                _host(told.webhook),
                told.webhook.state.value,
                session.counted(told.debt.changes, "change"),
                session.moment(told.debt.oldest_at, now),
                session.moment(told.webhook.delivered_at, now),
                told.webhook.attempts,
                "-" if told.webhook.trouble is None else told.webhook.trouble.value,
            )
            for told in found
        ],
        empty="There is no webhook. To make one: ipsync webhook add URL",
    )


@app.command("show", epilog=examples("ipsync webhook show 1", "ipsync webhook show 1 --json"))
def show(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Show one webhook, with its whole address, which may hold a secret."""
    now, found = session.work_on(ctx, _look, needs=_KEY_ONLY)
    told = next((entry for entry in found if entry.webhook.webhook_id == number), None)
    if told is None:
        output.fail(f"there is no webhook {number}", "`ipsync webhook list` shows all")
    webhook = told.webhook
    if as_json:
        output.emit_json(_json(told) | {"address": webhook.address})
        return
    trouble = "none" if webhook.trouble is None else f"{webhook.trouble.value}, {webhook.attempts} times in a row"
    output.say(f"webhook {webhook.webhook_id}: {webhook.state.value}, to {webhook.address}")
    output.say(f"added       {session.moment(webhook.added_at, now)}")
    output.say(f"delivered   {session.moment(webhook.delivered_at, now)}")
    output.say(f"owed        {session.counted(told.debt.changes, 'change')}, oldest {_since(told, now)}")
    output.say(f"trouble     {trouble}")
    if webhook.attempts:
        output.say(f"next try    {session.moment(webhook.next_try_at, now)}")


@app.command("remove", epilog=examples("ipsync webhook remove 1", "ipsync webhook remove 1 --json"))
def remove(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Tell an address nothing more, and forget it; what it is owed is not sent."""
    gone = _refusing(lambda: session.work_on(ctx, lambda works: works.telling.webhooks.remove(number), needs=_KEY_ONLY))
    if as_json:
        output.emit_json({"webhook_id": str(gone.webhook_id), "removed": True})
        return
    output.say(f"Webhook {gone.webhook_id} ({_host(gone)}) was removed.")


@app.command("test", epilog=examples("ipsync webhook test 1", "ipsync webhook test 1 --json"))
def send_test(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Send a signed message that tells of nothing (`"type": "test"`), now, and say how it went."""

    async def send(works: "Works") -> "Trouble | None":
        return await works.telling.webhooks.test(number)

    trouble = _refusing(lambda: session.work_on(ctx, send, needs=_KEY_ONLY))
    if as_json:
        output.emit_json({"webhook_id": str(number), "trouble": None if trouble is None else trouble.value})
        if trouble is not None:
            output.leave(FAILED)
        return
    if trouble is not None:
        output.fail(f"webhook {number} did not take the message: {trouble.value}", "look at the receiver's own log")
    output.say(f"Webhook {number} took the message.")


async def _look(works: "Works") -> "tuple[Instant, list[Told]]":
    return works.base.clock.now(), await works.telling.webhooks.all()


def _refusing(work: Callable[[], T]) -> T:
    from ipsync.jobs.webhooks import WebhookRefusedError, WebhookUnknownError

    try:
        return work()
    except WebhookUnknownError as unknown:
        output.fail(str(unknown), unknown.remedy)
    except WebhookRefusedError as refused:
        output.fail(str(refused), refused.remedy, WRONG)


def _host(webhook: "Webhook") -> str:
    """Where it leads, without what may be a secret in it."""
    from urllib.parse import urlsplit

    parts = urlsplit(webhook.address)
    return f"{parts.scheme}://{parts.netloc}/…"


def _since(told: "Told", now: "Instant") -> str:
    return session.moment(told.debt.oldest_at, now)


def _json(told: "Told") -> dict[str, Any]:
    webhook, debt = told.webhook, told.debt
    return {
        "webhook_id": str(webhook.webhook_id),
        "host": _host(webhook),
        "state": webhook.state.value,
        "added_at": session.instant_text(webhook.added_at),
        "owed_changes": debt.changes,
        "owed_since": session.instant_text(debt.oldest_at),
        "delivered_at": session.instant_text(webhook.delivered_at),
        "attempts": webhook.attempts,
        "next_try_at": session.instant_text(webhook.next_try_at) if webhook.attempts else None,
        "failed_at": session.instant_text(webhook.failed_at),
        "trouble": None if webhook.trouble is None else webhook.trouble.value,
    }
