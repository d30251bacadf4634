"""Whatever owners, operators, ipernity and time do, in whatever order: the promise holds.

The oracle knows only what is true at ipernity, what would be served and what is stored.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR, MILLISECOND, MINUTE, SECOND, Instant
from ipsync.policy.licenses import LICENSES
from ipsync.ports.source import GrantLost, KeyRefused, Later, Malformed, MediaLater, QuotaReached
from ipsync.ports.store import ContentKey
from ipsync.web.showing import Held, may_show
from tests.fakes.source import Asked
from tests.jobs.household import RULES, Household, content_of

MEMBERS = (7, 8)
FREE, BOUND = 1, 3
SERVED_FOR, ERASED_BY, GONE_BY = 20 * HOUR, 24 * HOUR, 23 * HOUR

members = st.sampled_from(MEMBERS)
picks = st.integers(0, 10**6)


class Mirror(RuleBasedStateMachine):
    """A mirror of two members, and what becomes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.house = Household(self.folder / "house")
        self.approved: set[int] = set()
        self.lost_at: dict[int, Instant] = {}
        self.permitted: set[int] = set()
        self.owners: dict[int, int] = {}
        self.held_before: dict[ContentKey, tuple[Instant, Instant]] = {}
        self.taken_away_at: dict[int, Instant] = {}
        self.house.source.on_call = self.answer_takes_time

    def answer_takes_time(self, _asked: Asked) -> None:
        self.house.passes(MILLISECOND)

    def teardown(self) -> None:
        try:
            if self.approved:
                self.everything_ends_well()
        finally:
            self.close()

    def close(self) -> None:
        self.house.close()
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)

    def run(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(work)

    # the truth at ipernity

    def look(self) -> None:
        """Take note of what may be mirrored now, and since when what was permitted is not any more."""
        source, view, now = self.house.source, self.house.rules.view, self.house.clock.now()
        permitted = {
            number
            for number, document in source.documents.items()
            if document.visibility is Visibility.PUBLIC
            and document.license in view.licenses
            and document.account_id in self.approved
            and source.accounts[document.account_id].tokens
        }
        self.owners |= {number: document.account_id for number, document in source.documents.items()}
        for number in self.permitted - permitted:
            self.lost_at[number] = now
        self.taken_away_at |= dict.fromkeys(self.owners.keys() - permitted, now)
        for number in permitted:
            self.lost_at.pop(number, None)
        self.permitted = permitted

    def pick(self, number: int) -> int | None:
        known = sorted(self.house.source.documents)
        return known[number % len(known)] if known else None

    # what owners do

    @initialize()
    def begin(self) -> None:
        for account_id in MEMBERS:
            self.house.source.add_account(account_id)
            self.house.source.add_documents(account_id, 3)
            self.authorize(account_id)
        self.minutes_pass(1)

    @rule(account_id=members, number=st.integers(1, 3))
    def upload(self, account_id: int, number: int) -> None:
        self.house.passes(SECOND)
        self.house.source.add_documents(account_id, number)
        self.look()

    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        number = self.pick(pick)
        if number is not None:
            self.house.source.delete(number)
            self.look()

    @rule(pick=picks, visibility=st.sampled_from((Visibility.PUBLIC, Visibility.PRIVATE, Visibility.FRIENDS)))
    def share(self, pick: int, visibility: Visibility) -> None:
        number = self.pick(pick)
        if number is not None:
            self.house.source.share(number, visibility)
            self.look()

    @rule(pick=picks, license_id=st.sampled_from((FREE, BOUND)))
    def relicense(self, pick: int, license_id: int) -> None:
        number = self.pick(pick)
        if number is not None:
            self.house.source.relicense(number, license_id)
            self.look()

    @rule(pick=picks)
    def replace_file(self, pick: int) -> None:
        number = self.pick(pick)
        if number is not None:
            self.house.source.replace(number)
            self.taken_away_at[number] = self.house.clock.now()

    @rule(account_id=members)
    def revoke(self, account_id: int) -> None:
        self.house.source.revoke(account_id)
        self.look()

    @rule(account_id=members)
    def authorize(self, account_id: int) -> None:
        always, self.house.source._always_failing = self.house.source._always_failing, {}
        once, self.house.source._failing = self.house.source._failing, {}
        self.run(self.house.authorize(account_id))
        self.house.source._always_failing, self.house.source._failing = always, once
        self.approved.add(account_id)
        self.look()

    # what operators do

    @rule(account_id=members)
    def remove(self, account_id: int) -> None:
        self.run(self.house.accounts.remove(account_id))
        self.approved.discard(account_id)
        self.look()

    @rule(account_id=members)
    def pause_or_resume(self, account_id: int) -> None:
        state = self.house.account_state(account_id)
        if state is AccountState.ACTIVE:
            self.run(self.house.accounts.pause(account_id))
        elif state is AccountState.PAUSED:
            self.run(self.house.accounts.resume(account_id))

    @rule(licenses=st.sampled_from((frozenset({FREE}), frozenset(LICENSES))), names=st.sampled_from((1, 2)))
    def reconfigure(self, licenses: frozenset[int], names: int) -> None:
        """As a reload does: the policy job is nudged at once."""
        self.house.configure_view(licenses=licenses, renditions=("240", "original")[:names])
        self.look()
        self.taken_away_at |= dict.fromkeys(self.owners, self.house.clock.now())
        self.run(self.house.apply_policy())

    # what goes wrong

    @rule(
        method=st.sampled_from(("*", "doc.getList", "doc.get", "auth.checkToken")),
        failure=st.sampled_from((Later, Malformed, QuotaReached, KeyRefused)),
        times=st.sampled_from((1, 3, None)),
    )
    def fail(self, method: str, failure: type[Later], times: int | None) -> None:
        self.house.source.fail(method, lambda asked: failure(asked, "as it happens"), times)

    @rule(times=st.integers(1, 2))
    def odd_refusal(self, times: int) -> None:
        """A listing says 107 although the grant holds."""
        self.house.source.fail("doc.getList", lambda asked: GrantLost(asked, "an odd answer", 107), times)

    @rule(chosen=st.sets(picks, max_size=5))
    def lie(self, chosen: set[int]) -> None:
        """Listings forget some documents that are there."""
        self.house.source.unlisted = {number for number in map(self.pick, chosen) if number is not None}

    @rule(account_id=members, total=st.sampled_from((0, 1, 100, 100_000)))
    def miscount(self, account_id: int, total: int) -> None:
        self.house.source.claimed_total[account_id] = total

    @rule(failing=st.booleans())
    def media_hosts(self, failing: bool) -> None:
        urls = [entry.file.url for held in self.house.held().values() for entry in held.renditions]
        self.house.media_source.failing = dict.fromkeys(urls, MediaLater("down")) if failing else {}

    @rule()
    def heal(self) -> None:
        self.house.source.heal()
        self.house.source.unlisted = set()
        self.house.source.claimed_total.clear()

    # time

    @rule(minutes=st.integers(1, 40))
    def minutes_pass(self, minutes: int) -> None:
        self.house.passes(minutes * MINUTE)
        self.check_served()
        self.tick()

    @rule(hours=st.integers(1, 8))
    def hours_pass(self, hours: int) -> None:
        for _ in range(hours):
            self.minutes_pass(55)

    @rule(silent=st.sampled_from(("*", "doc.getList", "doc.get")))
    def a_day_of_silence(self, silent: str) -> None:
        """Nobody can be verified: whatever was there is hidden, then erased."""
        self.house.source.fail(silent, lambda asked: Later(asked, "down"), None)
        self.hours_pass(25)

    def tick(self) -> None:
        self.run(self.house.apply_policy())
        self.run(self.house.tick())
        self.check_stored()

    @rule(at=st.integers(1, 25), before=st.booleans())
    def crash(self, at: int, before: bool) -> None:
        """The process dies somewhere in a turn, and passes its boot gate when it starts again."""
        with self.house.crashing(at, before=before):
            self.run(self.house.tick())
        for step in (self.house.apply_policy, self.house.expire, self.house.purge, self.house.orphans):
            self.run(step())
        self.check_stored()

    @precondition(lambda self: self.approved)
    @rule(account_id=members)
    def leave_while_asked(self, account_id: int) -> None:
        """The member revokes while a request is under way."""

        def on_call(asked: Asked) -> None:
            if asked.account_id == account_id:
                self.house.source.on_call = self.answer_takes_time
                self.house.source.accounts[account_id].tokens.clear()
                self.look()

        self.house.source.on_call = on_call
        self.tick()
        self.house.source.on_call = self.answer_takes_time

    # the promise

    @invariant()
    def check_served(self) -> None:
        self.look()
        now, house, held = self.house.clock.now(), self.house, self.house.held()
        sent = {asked.sent_at for asked in house.source.asked}
        for number, entry in held.items():
            if not may_show(entry, house.rules, now):
                continue
            assert 0 <= now - entry.document.verified_at < SERVED_FOR, "I1"
            assert entry.document.verified_at in sent, "a lease by the send time of a request"
            assert entry.document.facts.license in house.rules.view.licenses, "T06"
            assert now < self.lost_at.get(number, now + 1) + SERVED_FOR, "I3"
            assert entry.account is not None
            assert entry.account.state in (AccountState.ACTIVE, AccountState.PAUSED), "T15"

    def check_stored(self) -> None:
        self.check_served()
        now, house, held = self.house.clock.now(), self.house, self.house.held()
        ended = (AccountState.REMOVED, AccountState.LOST, AccountState.CLOSED)
        for number in house.on_disk():
            assert number in held, "I5: a file has a row"
            assert now - held[number].document.verified_at < GONE_BY, "I2"
            assert now <= self.lost_at.get(number, now) + ERASED_BY, "I3"
            account = held[number].account
            assert account is not None
            assert account.state not in ended, "I4"
        for number, entry in held.items():
            for rendition in entry.renditions:
                stored = entry.stored(rendition.file.rendition)
                if stored:
                    key = ContentKey(entry.document.account_id, number, rendition.file.rendition)
                    assert house.store.digest(key) == stored.digest, "I5: a row has its file"
        self.check_erasures(now, house.keys_on_disk(), held)

    def check_erasures(self, now: Instant, on_disk: set[ContentKey], held: dict[int, Held]) -> None:
        """I10: what was erased was taken away by its owner or operator, or was not verified for 22 hours."""
        for key in self.held_before.keys() - on_disk:
            since, verified_at = self.held_before[key]
            taken_away = self.taken_away_at.get(key.document_id, -1) >= since
            assert taken_away or now - verified_at >= 22 * HOUR, f"I10: {key}"
        self.held_before = {
            key: (self.held_before.get(key, (now, 0))[0], held[key.document_id].document.verified_at) for key in on_disk
        }

    def everything_ends_well(self) -> None:
        """I7: once nothing fails any more, all that is permitted is mirrored in its newest version, nothing else."""
        house = self.house
        self.heal()
        self.media_hosts(failing=False)
        for account_id in MEMBERS:
            if house.account_state(account_id) is AccountState.PAUSED:
                self.run(house.accounts.resume(account_id))
        for _ in range(8):
            self.minutes_pass(50)
        lost = {entry.account_id for entry in house.catalog.read_now(lambda view: view.accounts({AccountState.LOST}))}
        expected = {number for number in self.permitted if self.owners[number] not in lost}
        names = house.rules.view.renditions
        assert house.served() == expected, "I7"
        assert house.served_files() == {(number, name) for number in expected for name in names}, "I7"
        for number, name in house.served_files():
            document = house.source.documents[number]
            content = house.store.open(ContentKey(document.account_id, number, name)).read()
            assert content == content_of(number, document.version, name)
        assert house.open_removals() == []
        assert house.keys_on_disk() == {
            ContentKey(self.owners[number], number, name) for number in expected for name in names
        }


Mirror.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.mark.slow
class TestWhateverHappens(Mirror.TestCase):  # type: ignore[misc]  # reason: hypothesis makes it
    """I1, I2, I3, I4, I5, I7, I10 under everything at once."""


def test_the_oracle_tells_a_lapse_when_it_sees_one() -> None:
    """A machine whose mirror never hides anything is caught."""
    machine = Mirror()
    try:
        machine.begin()
        assert machine.house.served()
        machine.house.configure(replace(RULES))
        machine.house.clock.jump(21 * HOUR)
        fresh = [
            replace(held.document, verified_at=machine.house.clock.now()) for held in machine.house.held().values()
        ]
        machine.house.catalog.write_now(lambda tx: tx.update_documents(fresh))
        with pytest.raises(AssertionError, match="send time"):
            machine.check_served()
    finally:
        machine.close()
