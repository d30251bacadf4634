"""What needs a person is told once, and so is its end; a restart forgets nothing."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from ipsync.jobs.audit_standing import WHOLE, remember_findings
from ipsync.jobs.health import publish, read_health
from ipsync.jobs.incidents import Incidents, Senses
from ipsync.jobs.notices import Notices
from ipsync.policy.incidents import Condition, Incident, Room, Spending
from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration
from ipsync.policy.notices import Notice
from ipsync.policy.petitions import new_petition
from ipsync.policy.quota import Quota
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.catalog import JobRun
from ipsync.ports.notify import NotifyFailure
from tests.fakes.store import MemoryStore
from tests.jobs.household import RULES, Household

HOSTILE = "<script>canary-title</script>\N{RIGHT-TO-LEFT OVERRIDE}"


@dataclass
class FakeChannel:
    """A channel that keeps what it is sent; while `failing` it takes nothing."""

    name: str = "mail"
    sent: list[Notice] = field(default_factory=list)
    failing: str = ""
    tries: int = 0
    held_back: asyncio.Event | None = None

    async def send(self, notice: Notice) -> None:
        self.tries += 1
        if self.held_back is not None:
            await self.held_back.wait()
        if self.failing:
            raise NotifyFailure(self.failing)
        self.sent.append(notice)

    @property
    def subjects(self) -> list[str]:
        return [notice.subject.removeprefix("[Our wall] ") for notice in self.sent]


class Watched:
    """A household with somebody who looks, and somebody to be told."""

    def __init__(self, house: Household) -> None:
        self.house = house
        self.rooms = {"store": Room(1 << 40, 1 << 20)}
        self.behind: Duration = 0
        self.spending = Spending(1000)
        self.channels = [FakeChannel()]
        self.restart()

    def restart(self) -> None:
        house = self.house
        senses = Senses(lambda: self.spending, lambda: self.rooms, lambda: self.behind, house.rules.quota)
        self.notices = Notices(
            house.catalog, house.clock, self.channels, "Our wall", lambda: "http://mirror.test/status"
        )
        self.incidents = Incidents(house.catalog, house.clock, house.rules.lease, senses, lambda: self.notices.channels)

    async def look(self, after: Duration = 0) -> None:
        self.house.passes(after)
        await self.incidents.run()
        await self.notices.run()

    def standing(self) -> list[Incident]:
        return self.house.catalog.read_now(lambda view: view.incidents(open_only=True))

    @property
    def mail(self) -> FakeChannel:
        return self.channels[0]


@pytest.fixture
def watched(house: Household) -> Watched:
    return Watched(house)


async def test_what_an_audit_found_is_an_incident_until_one_finds_nothing(watched: Watched) -> None:
    await remember_findings(watched.house.catalog, WHOLE, 2)
    await watched.look()
    await watched.look(HOUR)
    assert watched.mail.subjects == ["An audit found what should not be: 2 findings"]
    await remember_findings(watched.house.catalog, WHOLE, 0)
    await watched.look()
    await watched.look(HOUR)
    assert watched.mail.subjects[1:] == ["Over: An audit found what should not be: 2 findings"]
    assert watched.standing() == []


async def test_where_all_is_well_nobody_is_told(watched: Watched) -> None:
    await watched.house.member(7, 2)
    await watched.house.mirror()
    await watched.look()
    assert watched.mail.tries == 0
    assert watched.standing() == []


async def test_F18_a_lost_grant_is_told_once_and_so_is_its_end(watched: Watched) -> None:
    house = watched.house
    await house.member(7, 2)
    await house.mirror()
    house.source.revoke(7)
    await house.grants(7)
    await house.grants(7)
    for _ in range(5):
        await watched.look(MINUTE)
    assert watched.mail.subjects == ["Account 7 took its grant back"]
    watched.restart()
    await watched.look(MINUTE)
    assert len(watched.mail.sent) == 1
    await house.authorize(7)
    await watched.look(MINUTE)
    await watched.look(9 * MINUTE)
    assert len(watched.mail.sent) == 1
    await watched.look(MINUTE)
    assert watched.mail.subjects[1:] == ["Over: Account 7 took its grant back"]
    assert watched.standing() == []
    await watched.look(HOUR)
    assert len(watched.mail.sent) == 2


async def test_deadlines_that_come_near_are_told_at_each_step(watched: Watched) -> None:
    house = watched.house
    await house.member(7, 2)
    await house.mirror()
    assert isinstance(house.store, MemoryStore)
    house.store.broken = True
    await watched.look(20 * HOUR + MINUTE)
    assert watched.mail.subjects == ["The nearest deadline is 4 h away"]
    house.passes(2 * HOUR)
    await house.expire()
    await house.purge()
    await watched.look()
    assert watched.mail.subjects[1:] == ["URGENT: The nearest deadline is 119 min away"]
    house.passes(2 * HOUR)
    await watched.look()
    assert any("should be gone" in subject for subject in watched.mail.subjects[2:])
    house.store.broken = False
    house.passes(HOUR)
    await house.purge()
    await watched.look()
    await watched.look(10 * MINUTE)
    assert watched.standing() == []


async def test_T11_F33_a_request_is_told_without_a_word_of_its_owner(watched: Watched) -> None:
    house = watched.house
    (document,) = await house.member(7, 1)
    house.source.documents[document].title = HOSTILE
    await house.mirror()
    told = Words(contact="canary-contact@example.org", note="canary-note")
    await house.requests.file(Subject(RequestScope.DOCUMENT, document, 7), told)
    await watched.look()
    (notice,) = watched.mail.sent
    assert watched.mail.subjects == ["An owner's request came in: number 1, 1 document held"]
    everything = f"{notice.subject}{notice.text}{notice.facts}"
    assert "canary" not in everything
    assert "<" not in everything
    assert "http://mirror.test/status" in notice.text
    await house.purge()
    await watched.look(HOUR)
    await watched.look(10 * MINUTE)
    assert watched.mail.subjects[1:] == ["Over: An owner's request came in: number 1, 1 document held"]


async def test_F3_F7_F20_disk_clock_and_budget(watched: Watched) -> None:
    watched.rooms = {"store": Room(2_000_000, 1 << 20)}
    watched.behind = 3 * HOUR
    watched.spending = Spending(120, is_cut=True, left={"hour": 0.01})
    await watched.look()
    assert {incident.condition for incident in watched.standing()} == {
        Condition.DISK_LOW,
        Condition.CLOCK,
        Condition.BUDGET_CUT,
        Condition.BUDGET_SPENT,
    }
    assert watched.mail.subjects == [
        "ipernity refused requests; about 120 an hour are believed to be allowed",
        "The requests of the hour are used up",
        "The wall clock lies 3 h behind the time that has passed",
        "The disk of the copies is nearly full: 2 MB left",
    ]


async def test_F31_a_filled_quota_is_told_and_over_when_nothing_waits_any_more(
    households: Callable[..., Household],
) -> None:
    limits = Quota(account_size_most=30_000, file_size_most=10_000)
    house = households(rules=replace(RULES, quota=limits))
    mine = await house.member(7, 4)
    await house.member(8, 1)
    await house.mirror()
    watched = Watched(house)
    await watched.look()
    (said,) = watched.mail.subjects
    assert re.fullmatch(r"Account 7 has filled its quota with 2\d kB, and new files of it wait", said)
    assert "store.account_size_most" in watched.mail.sent[0].text
    publish(await read_health(house.catalog, house.clock, house.rules.lease, 1000), house.metrics, limits)
    text = house.metrics.render()[0].decode()
    assert "ipsync_accounts_held_up_by_quota 1.0" in text
    assert "ipsync_store_quota_bytes +Inf" in text
    for number in mine[1:]:
        house.source.delete(number)
    await house.sync()
    await house.confirm()
    await house.purge()
    await house.fetch()
    await watched.look(HOUR)
    await watched.look(10 * MINUTE)
    assert watched.mail.subjects[1:] == [f"Over: {said}"]


async def test_a_channel_that_fails_is_tried_again_and_holds_up_no_other(watched: Watched) -> None:
    command = FakeChannel("command")
    watched.channels.append(command)
    watched.restart()
    watched.mail.failing = "the mail server cannot be reached"
    watched.behind = HOUR
    await watched.look()
    watched.rooms = {"store": Room(0, 1 << 20)}
    await watched.look(SECOND)
    assert len(command.sent) == 2
    assert watched.mail.tries == 2
    await watched.look(SECOND)
    assert watched.mail.tries == 2
    (first, second) = [entry for entry, _ in watched.house.catalog.read_now(lambda view: view.open_deliveries(10))]
    assert {first.failure, second.failure} == {"the mail server cannot be reached"}
    watched.mail.failing = ""
    watched.restart()
    await watched.look(20 * SECOND)
    assert len(watched.mail.sent) == 2
    await watched.look(HOUR)
    assert (len(watched.mail.sent), len(command.sent)) == (2, 2)


async def test_what_begins_and_ends_while_a_channel_fails_is_told_once(watched: Watched) -> None:
    watched.mail.failing = "no connection"
    watched.behind = HOUR
    await watched.look()
    watched.behind = 0
    await watched.look(MINUTE)
    await watched.look(10 * MINUTE)
    watched.mail.failing = ""
    await watched.look(HOUR)
    assert watched.mail.subjects == ["Over: The wall clock lies 60 min behind the time that has passed"]


async def test_who_is_set_up_later_is_told_of_what_stands_and_who_is_taken_out_of_nothing(watched: Watched) -> None:
    watched.behind = HOUR
    await watched.look()
    command = FakeChannel("command")
    mail, watched.channels = watched.mail, [command]
    watched.restart()
    await watched.look(MINUTE)
    assert len(command.sent) == 1
    watched.behind = 0
    await watched.look(MINUTE)
    await watched.look(10 * MINUTE)
    assert (len(mail.sent), len(command.sent)) == (1, 2)
    assert watched.house.catalog.read_now(lambda view: view.open_deliveries(10)) == []


async def test_nothing_waits_for_a_channel_that_hangs(watched: Watched) -> None:
    watched.mail.held_back = asyncio.Event()
    watched.behind = HOUR
    await watched.incidents.run()
    await watched.notices.begin()
    await watched.notices.begin()
    while not watched.mail.tries:  # noqa: ASYNC110  # reason: what is waited for is another task of this loop
        await asyncio.sleep(0)
    assert watched.mail.tries == 1
    await watched.notices.close()
    watched.mail.held_back = None
    await watched.notices.begin()
    assert watched.notices._telling is not None
    assert await watched.notices._telling == 1
    assert len(watched.mail.sent) == 1


async def test_a_trial_tells_who_took_it(watched: Watched) -> None:
    watched.channels.append(FakeChannel("command", failing="the command ended with code 1"))
    watched.restart()
    assert await watched.notices.try_out() == {"mail": "", "command": "the command ended with code 1"}
    assert await watched.notices.try_out("mail") == {"mail": ""}
    assert watched.mail.subjects[0] == "This is a test"


async def test_two_who_look_open_nothing_twice(house: Household) -> None:
    first, second = Watched(house), Watched(house)
    first.behind = second.behind = HOUR
    await asyncio.gather(first.incidents.run(), second.incidents.run())
    assert len(first.standing()) == 1


async def test_a_job_that_failed_before_a_restart_is_tried_anew_before_anybody_is_told(watched: Watched) -> None:
    def failed(at: int) -> JobRun:
        return JobRun("media", at, at, "StoreFull", at - 5 * HOUR)

    house = watched.house
    await house.catalog.write(lambda tx: tx.put_job_run(failed(house.clock.now())))
    house.passes(HOUR)
    watched.restart()
    await watched.look()
    assert watched.standing() == []
    house.passes(SECOND)
    await house.catalog.write(lambda tx: tx.put_job_run(failed(house.clock.now())))
    await watched.look()
    assert watched.mail.subjects == ["The job media keeps failing"]


async def test_T11_a_petition_that_waits_is_told(watched: Watched) -> None:
    house = watched.house
    (document,) = await house.member(7, 1)
    asked = new_petition(Subject(RequestScope.DOCUMENT, document, 7), "t" * 32, house.clock.now(), house.rules.lease)
    number = await house.catalog.write(lambda tx: tx.put_petition(asked))
    await watched.look()
    assert watched.mail.subjects == [
        f"Somebody asks without proof to have a document removed: petition {number} waits for you"
    ]
