"""`ipsync plan`: what each account costs, how soon its removals are noticed, and what else would fit."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.admission import Capacity, Decision
    from ipsync.policy.forecast import AccountForecast, Forecast, ListedLoad
    from ipsync.policy.instants import Duration
    from ipsync.policy.lease import Lease

app = typer.Typer(add_completion=False)

_KEYS = (
    "write budget=2000/h, window=12h or accounts=500 (accounts=500x2000: of 2,000 documents each; accounts=+500: "
    'beside those that are here); "," between'
)
_LAST = 1 << 62
"""When imagined accounts come: after all that are here."""

_USUAL_DOCUMENTS = 1_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to imagine; None is as it is.

    Attributes:
        budget: requests an hour.
        window: W.
        accounts: how many there would be.
        documents: of each of them.
        is_more: whether they come beside those that are here, instead of in their place.
    """

    budget: float | None = None
    window: "Duration | None" = None
    accounts: int | None = None
    documents: int | None = None
    is_more: bool = False

    @property
    def is_real(self) -> bool:
        """Whether nothing is imagined."""
        return self == _Asked()


@dataclass(frozen=True, slots=True)
class _Shown:
    """Everything the command shows."""

    forecast: "Forecast"
    decision: "Decision"
    names: dict[int, str]
    lease: "Lease"
    outage: "Duration"
    capacity: "Capacity"
    asked: _Asked


@app.command(
    epilog=examples(
        "ipsync plan",
        "ipsync plan --what-if budget=2000/h           # on another budget",
        "ipsync plan --what-if accounts=500x2000       # 500 members of 2,000 documents each, and nobody else",
        "ipsync plan --what-if accounts=+500x2000      # so many beside those that are here",
        "ipsync plan --what-if budget=5000/h,window=12h --json",
    ),
)
def plan(
    ctx: typer.Context,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if", metavar="budget=N/h,window=TIME,accounts=N", help="Imagine other numbers; nothing is changed."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show what looking after each account costs, how soon removals are noticed, and how much more would fit.

    Every page is read again in time, evenly spread; each answer also tells how many documents there are,
    so most removals are noticed long before their own page has its turn: that is the mean. The worst is a removal that
    no count shows. Whatever happens, a copy is hidden when its lease ends.
    """
    asked = _read(what_if or [])
    shown = session.work_on(ctx, lambda works: _look(works, asked), needs=("state_key",))
    if as_json:
        output.emit_json(_as_json(shown))
        return
    _print(shown)


def _read(wishes: list[str]) -> _Asked:
    """Understand `--what-if`, or say what is not understood."""
    from ipsync.policy.instants import MINUTE, parse_duration

    asked = _Asked()
    for wish in (part for text in wishes for part in text.split(",")):
        name, _, value = (piece.strip() for piece in wish.partition("="))
        try:
            if name == "budget":
                asked = replace(asked, budget=_positive(value.removesuffix("/h")))
            elif name == "window":
                asked = replace(asked, window=max(MINUTE, parse_duration(value)))
            elif name == "accounts":
                number, _, each = value.partition("x")
                documents = int(_positive(each)) if each else None
                is_more = number.startswith("+")
                asked = replace(asked, accounts=int(_positive(number)), documents=documents, is_more=is_more)
            else:
                output.fail(f"--what-if: {output.plain(name)!r} is no number of a plan", _KEYS, WRONG)
        except ValueError:
            output.fail(f"--what-if: {output.plain(wish)!r} is not understood", _KEYS, WRONG)
    return asked


def _positive(text: str) -> float:
    number = float(text.replace("_", ""))
    if not 0 < number <= 1e9:
        raise ValueError("out of range")
    return number


async def _look(works: "Works", asked: _Asked) -> _Shown:
    from ipsync.jobs.admission import candidates, listed_loads, usual_rate
    from ipsync.policy.admission import Candidate, Capacity, decide
    from ipsync.policy.forecast import alike, forecast
    from ipsync.policy.lease import Lease
    from ipsync.policy.planner import Cadence

    await works.look_at_budget()
    rules = works.rules
    lease, outage = rules.lease, rules.outage
    if asked.window is not None:
        # The room for an outage stays the same part of the window.
        lease, outage = Lease(asked.window), outage * asked.window // lease.window
    allowed = works.believed_requests_per_hour if asked.budget is None else asked.budget
    capacity = Capacity(allowed, lease, outage)
    wanted = rules.view.visibility
    loads, everyone, accounts, usual = await works.base.catalog.read(
        lambda view: (listed_loads(view, wanted), candidates(view, wanted), view.accounts(), usual_rate(view))
    )
    names = {account.account_id: account.username for account in accounts}
    if asked.accounts is not None:
        documents = asked.documents or _mean_documents(loads)
        imagined = alike(asked.accounts, documents, usual)
        newcomers = [Candidate(load.account_id, load.pages, False, False, 0.0, _LAST) for load in imagined]
        loads = [*loads, *imagined] if asked.is_more else imagined
        everyone = [*everyone, *newcomers] if asked.is_more else newcomers
    decision = decide(everyone, capacity)
    kept = [load for load in loads if load.account_id not in decision.refused]
    found = forecast(kept, capacity, Cadence.of(lease, outage))
    return _Shown(found, decision, names, lease, outage, capacity, asked)


def _mean_documents(loads: "list[ListedLoad]") -> int:
    accounts = {load.account_id for load in loads}
    documents = sum(load.documents for load in loads)
    return max(1, round(documents / len(accounts))) if documents else _USUAL_DOCUMENTS


def _as_json(shown: _Shown) -> dict[str, Any]:
    from ipsync.policy.instants import seconds

    found, capacity = shown.forecast, shown.capacity
    return {
        "what_if": not shown.asked.is_real,
        "window_seconds": seconds(shown.lease.window),
        "outage_seconds": seconds(shown.outage),
        "requests_per_hour": capacity.requests_per_hour,
        "accounts": [
            {
                "account_id": str(one.account_id) if one.account_id > 0 else "",
                "username": shown.names.get(one.account_id, ""),
                "documents": one.documents,
                "pages": one.pages,
                "requests_per_day": round(one.requests_per_day, 1),
                "period_seconds": seconds(one.period),
                "worst_detection_seconds": seconds(one.worst_detection),
                "mean_detection_seconds": seconds(one.mean_detection),
                "removals_per_day": one.removals_per_day,
                "removals_learned": one.learned,
                "documents_that_fit": one.documents_that_fit,
            }
            for one in found.accounts
        ],
        "not_admitted": [
            {
                "account_id": str(account_id) if account_id > 0 else "",
                "username": shown.names.get(account_id, ""),
                "pages": refusal.pages,
                "needed_requests_per_hour": refusal.needed_per_hour,
                "reason": refusal.words(),
            }
            for account_id, refusal in shown.decision.refused.items()
        ],
        "totals": {
            "documents": found.documents,
            "pages": found.pages,
            "requests_per_day": round(found.requests_per_day, 1),
            "least_requests_per_day": round(found.least_requests_per_day, 1),
            "utilization": found.utilization,
            "most_utilization": found.most_utilization,
            "mean_detection_seconds": seconds(found.mean_detection),
            "removals_per_day": found.removals_per_day,
            "worst_wait_seconds": seconds(found.worst_wait),
            "documents_that_fit": found.documents_that_fit,
        },
    }


def _print(shown: _Shown) -> None:
    found = shown.forecast
    if not shown.asked.is_real:
        instead = shown.asked.accounts is not None and not shown.asked.is_more and shown.names
        those = (
            f" The {session.counted(len(shown.names), 'account')} here are left out; +N adds to them."
            if instead
            else ""
        )
        output.say(f"What would be; nothing was changed.{those}\n")
    if shown.asked.accounts is None:
        output.print_table(
            (
                "id",
                "member",
                "documents",
                "pages",
                "requests a day",
                "read every",
                "noticed, mean",
                "worst",
                "removals a month",
                "room for",
            ),
            [_row(shown, one) for one in found.accounts],
            empty="No account is read. `ipsync account add` takes a member in.",
            elastic="member",
        )
        output.say("")
    output.print_facts(_facts(shown))
    refused = list(shown.decision.refused.items())
    # Imagined accounts are alike: one tells of all.
    told = 10 if shown.asked.accounts is None else 1
    for account_id, refusal in refused[:told]:
        who = session.who(account_id, shown.names.get(account_id, "")) if account_id > 0 else "one more account"
        output.say(f"{who} is {refusal.words()}.")
    if len(refused) > told:
        output.say(f"So are {len(refused) - told:,} more.")


def _row(shown: _Shown, one: "AccountForecast") -> tuple[object, ...]:
    return (
        one.account_id,
        shown.names.get(one.account_id) or None,
        one.documents,
        one.pages,
        round(one.requests_per_day),
        session.span(one.period),
        session.span(one.mean_detection),
        session.span(one.worst_detection),
        _a_month(one.removals_per_day) + ("" if one.learned else ", usual"),
        f"{one.documents_that_fit:,} more",
    )


def _a_month(removals_per_day: float) -> str:
    monthly = 30 * removals_per_day
    return f"{monthly:,.0f}" if monthly >= 10 else f"{monthly:.2g}"


def _removals(found: "Forecast") -> str:
    """How many are expected, and what that is known by."""
    learned, members = sum(one.learned for one in found.accounts), len(found.accounts)
    if not members:
        return "-"
    expected = f"{_a_month(found.removals_per_day)} a month expected, "
    if learned == members:
        return expected + "as was learned of each account"
    if learned:
        return expected + f"as was learned of {session.counted(learned, 'account')}, and is usual for the others"
    return expected + "as is usual: too little was seen of these accounts"


def _facts(shown: _Shown) -> list[tuple[str, str]]:
    found, capacity, lease = shown.forecast, shown.capacity, shown.lease
    refused = len(shown.decision.refused)
    members = len(found.accounts)
    requests = (
        f"{found.requests_per_day:,.0f} a day of {capacity.requests_per_hour * 24:,.0f}; "
        f"leases alone need {found.least_requests_per_day:,.0f} at least"
    )
    used = (
        f"{found.utilization:.1%} used; accounts are admitted up to {found.most_utilization:.0%}, "
        f"so that an outage of {session.span(shown.outage)} hides nothing"
    )
    return [
        ("accounts", session.counted(members, "account") + (f"; {refused:,} not admitted" if refused else "")),
        ("to look after", f"{session.counted(found.documents, 'document')} on {session.counted(found.pages, 'page')}"),
        ("requests", requests),
        ("budget for leases", used),
        ("room for", f"{session.counted(found.documents_that_fit, 'more document')}"),
        (
            "read again within",
            f"{session.span(found.worst_wait)}; a copy is served for {session.span(lease.serve_age)} at most",
        ),
        ("removals", _removals(found)),
        ("noticed", f"after {session.span(found.mean_detection)} on average" if found.pages else "-"),
    ]
