"""The promises of `ports.budget.BudgetBook`, run on every implementation.

A new implementation adds a param to `book`, e.g. the catalog's, and passes everything here.
"""

import asyncio
from dataclasses import replace

import pytest

from ipsync.policy.budget import BudgetState, RealRate, Spent
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.ports.budget import BudgetBook
from tests.fakes.budget import FakeBudgetBook

NOON = 1_700_000_000 * SECOND
FULL = BudgetState(
    next_slot_at=NOON + 7,
    spent=(
        Spent("minute", NOON - NOON % (3 * SECOND), 4),
        Spent("hour", NOON - NOON % HOUR, 90),
        Spent("day", NOON - NOON % DAY, 2000),
    ),
    blocked_until=NOON + HOUR,
    backoff_step=3,
    rate_factor=0.1 + 0.2,  # a number that text with few digits would not bring back
    recovered_at=NOON - 1,
    real_rates=(RealRate(NOON - NOON % DAY, 1 / 3),),
)


@pytest.fixture(params=["memory"])
async def book(request: pytest.FixtureRequest) -> BudgetBook:
    assert request.param == "memory"
    return FakeBudgetBook()


def look(state: BudgetState) -> tuple[BudgetState, BudgetState]:
    return state, state


def one_more(state: BudgetState) -> tuple[BudgetState, int]:
    return replace(state, backoff_step=state.backoff_step + 1), state.backoff_step


async def test_a_new_book_is_empty(book: BudgetBook) -> None:
    assert await book.change(look) == BudgetState()


async def test_what_was_written_is_read_back_whole(book: BudgetBook) -> None:
    assert await book.change(lambda _: (FULL, "done")) == "done"
    found = await book.change(look)
    assert replace(found, spent=()) == replace(FULL, spent=())
    assert set(found.spent) == set(FULL.spent)


async def test_what_is_not_named_any_more_is_forgotten(book: BudgetBook) -> None:
    await book.change(lambda _: (FULL, None))
    await book.change(lambda state: (replace(state, spent=state.spent[:1], real_rates=()), None))
    found = await book.change(look)
    assert len(found.spent) == 1
    assert found.real_rates == ()


async def test_no_two_steps_see_the_same_state(book: BudgetBook) -> None:
    seen = await asyncio.gather(*(book.change(one_more) for _ in range(20)))
    assert sorted(seen) == list(range(20))
    assert (await book.change(look)).backoff_step == 20


async def test_a_step_that_fails_changes_nothing(book: BudgetBook) -> None:
    await book.change(lambda _: (FULL, None))

    def fails(state: BudgetState) -> tuple[BudgetState, None]:
        raise LookupError("the step's own failure")

    with pytest.raises(LookupError, match="the step's own failure"):
        await book.change(fails)
    assert (await book.change(look)).backoff_step == FULL.backoff_step
