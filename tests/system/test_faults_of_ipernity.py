"""Faults 10 to 22 and 39 on a whole mirror: the simulator misbehaves on the wire, and nothing untrue is believed.

Each story begins with two members mirrored, over several pages. What ipernity shares is the simulator's truth.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ipsync.assembly import BudgetTooSmallError, Works
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import SECOND
from ipsync.policy.planner import ListingKey, PageKnowledge
from ipsync.policy.removals import OPEN_STAGES, Removal, Stage
from ipsync.policy.tripwire import Phase, Resolution
from ipsync.ports.catalog import Transaction
from tests.fakes.site import LiveSite, SiteMirror, age, empty_mirror
from tests.system.daemons import free_port, until

LIST, ANY = ["doc.getList"], ["*"]


@pytest.fixture(scope="module")
def _site() -> Iterator[LiveSite]:
    with LiveSite(members=2, documents=420, seed=11) as site:
        yield site


@pytest.fixture(scope="module")
def _stock(_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> SiteMirror:
    mirror = empty_mirror(tmp_path_factory.mktemp("stock") / "mirror", _site)

    async def stock(works: Works) -> None:
        for member in (0, 1):
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(_site.approve, url, member)
            await works.accounts.finish(frob)
        await works.sync.run(force=True)

    mirror.work(stock)
    assert len(_site.permitted()) > 300
    return mirror


@pytest.fixture
def mirror(_stock: SiteMirror, tmp_path: Path) -> Iterator[SiteMirror]:
    """A mirror of a site that is whole again after each story."""
    yield _stock.copy_to(tmp_path / "mirror")
    _stock.site.heal()


async def documents(works: Works) -> dict[int, Document]:
    found = await works.base.catalog.read(lambda view: view.documents_after(0, 10_000))
    return {document.document_id: document for document in found}


async def states(works: Works) -> Counter[DocumentState]:
    return Counter(document.state for document in (await documents(works)).values())


async def removals(works: Works) -> list[Removal]:
    return await works.base.catalog.read(lambda view: view.removals(stages=OPEN_STAGES, limit=10_000))


def shared(mirror: SiteMirror) -> set[int]:
    return {int(number) for number in mirror.site.permitted()}


async def is_untouched(works: Works, before: dict[int, Document]) -> bool:
    """Whether nothing was observed at all: nothing renewed, hidden, owed or lost."""
    active = await works.base.catalog.read(lambda view: view.accounts({AccountState.ACTIVE}))
    return await documents(works) == before and not await removals(works) and len(active) == 2


def calls(mirror: SiteMirror, method: str) -> int:
    return mirror.site.count(method)


def test_F10_what_is_no_answer_is_no_observation(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        orders: list[tuple[str, dict[str, object]]] = [
            ("http_status", {"value": 503}),
            ("http_status", {"value": 501}),
            ("html", {}),
            ("api_error", {"value": 500}),
            ("reset", {"value": 40}),
        ]
        for kind, options in orders:
            mirror.site.fault(kind, ANY, **options)
            report = await works.sync.run(force=True)
            assert (report.pages, report.missing) == (0, 0)
            await works.grants.run()
            mirror.site.heal()
            assert await is_untouched(works, before)

    mirror.work(story)


def test_F11_an_answer_cut_anywhere_is_rejected_whole(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        for sent in (0, 1, 100, 5_000, -1):
            mirror.site.fault("truncate", LIST, value=sent)
            assert (await works.sync.run(force=True)).pages == 0
            mirror.site.heal()
            assert await is_untouched(works, before)

    mirror.work(story)


def test_F12_an_empty_listing_hides_within_a_second_and_a_second_method_tells(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        mirror.site.fault("empty_list", LIST)
        await works.sync.run(force=True)
        mirror.site.heal()
        everything = len(shared(mirror))
        assert await states(works) == {DocumentState.SUSPECT: everything}
        suspicions = await removals(works)
        assert all(removal.hidden_at - removal.detected_at <= SECOND for removal in suspicions)
        asked = calls(mirror, "doc.get")
        await works.confirm.run()
        # One question for each account is enough to doubt its listing.
        assert calls(mirror, "doc.get") - asked == 2
        wires = await works.base.catalog.read(lambda view: view.tripwires())
        assert [wire.phase for wire in wires] == [Phase.REREADING] * 2
        assert (await works.purge.run()).erased == 0
        await works.sync.run(force=True)
        await works.confirm.run()
        assert await states(works) == {DocumentState.LIVE: everything}
        wires = await works.base.catalog.read(lambda view: view.tripwires(active_only=False))
        assert {wire.resolution for wire in wires} == {Resolution.FALSE_ALARM}

    mirror.work(story)


def test_F12_I2_what_stays_empty_and_unanswered_is_erased_at_the_deadline(mirror: SiteMirror) -> None:
    async def hide(works: Works) -> None:
        mirror.site.fault("empty_list", LIST)
        await works.sync.run(force=True)
        mirror.site.heal()

    async def erase(works: Works) -> None:
        mirror.site.fault("http_status", ANY)
        await works.confirm.run()
        await works.expiry.run()
        await works.purge.run()
        assert await documents(works) == {}
        assert not [entry for entry in await removals(works) if entry.stage is Stage.SUSPECTED]

    mirror.work(hide)
    age(mirror, 22 * 3600)
    mirror.work(erase)


def test_F13_a_partial_listing_renews_what_it_names_and_erases_nothing(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        mirror.site.fault("short_list", LIST, value=30)
        await works.sync.run(force=True)
        mirror.site.heal()
        after = await documents(works)
        renewed = {number for number, entry in after.items() if entry.verified_at > before[number].verified_at}
        live = {number for number, entry in after.items() if entry.state is DocumentState.LIVE}
        assert live == renewed
        assert 0 < len(live) < len(before)
        assert (await works.purge.run()).erased == 0
        await works.confirm.run()
        await works.sync.run(force=True)
        assert await states(works) == {DocumentState.LIVE: len(before)}
        assert set(await documents(works)) == shared(mirror)

    mirror.work(story)


def test_F14_a_listing_in_another_order_each_time_erases_nothing_that_is_shared(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        mirror.site.fault("shuffle", LIST, value=1)
        for _ in range(3):
            await works.sync.run(force=True)
            await works.confirm.run(limit=20)
            await works.purge.run()
        mirror.site.heal()
        assert set(await documents(works)) == shared(mirror)
        await works.sync.run(force=True)
        assert await states(works) == {DocumentState.LIVE: len(shared(mirror))}

    mirror.work(story)


def test_F15_what_a_page_names_twice_counts_once(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        mirror.site.fault("duplicate", LIST, value=20)
        report = await works.sync.run(force=True)
        assert (report.added, report.missing) == (0, 0)
        assert set(await documents(works)) == shared(mirror)

    mirror.work(story)


def test_F16_a_total_renews_nothing_and_its_lies_end(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        everything = shared(mirror)
        pages = -(-len(everything) // 100) + 4
        for claimed in (1, 100, 10**9):
            mirror.site.fault("wrong_total", LIST, value=claimed)
            asked = calls(mirror, "doc.getList")
            await works.sync.run(force=True)
            assert calls(mirror, "doc.getList") - asked <= pages
            mirror.site.heal()
            await works.confirm.run(limit=1000)
            await works.purge.run()
            await works.sync.run(force=True)
            await works.confirm.run(limit=1000)
            assert set(await documents(works)) == everything
        assert await states(works) == {DocumentState.LIVE: len(everything)}

    mirror.work(story)


def test_F16_two_documents_swapped_under_the_same_total_are_told_apart(tmp_path: Path) -> None:
    with LiveSite(members=1, documents=12, seed=3) as site:
        mirror = empty_mirror(tmp_path / "mirror", site)

        async def story(works: Works) -> None:
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(site.approve, url, 0)
            taken = await works.accounts.finish(frob)
            await works.sync.run(force=True)
            held = sorted(await documents(works))
            listing = (await works.base.catalog.read(lambda view: view.listings(taken.account.account_id)))[0]
            site.fault("stale_total", LIST)
            await works.sync.run(force=True)
            site.delete(held[0])
            await works.sync.run(force=True)
            after = await documents(works)
            assert after[held[0]].state is DocumentState.SUSPECT
            again = (await works.base.catalog.read(lambda view: view.listings(taken.account.account_id)))[0]
            assert again.total == listing.total

        mirror.work(story)


def test_F17_a_late_answer_does_not_bring_back_what_a_newer_one_missed(tmp_path: Path) -> None:
    with LiveSite(members=1, documents=12, seed=3) as site:
        mirror = empty_mirror(tmp_path / "mirror", site)

        async def story(works: Works) -> None:
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(site.approve, url, 0)
            await works.accounts.finish(frob)
            first = await works.sync.run(force=True)
            gone = min(await documents(works))
            sent = calls(mirror, "doc.getList")
            site.fault("slow", LIST, value=1.5, count=1)
            late = asyncio.create_task(works.sync.run(force=True))
            await until(lambda: calls(mirror, "doc.getList") > sent, "the late answer is under way")
            site.delete(gone)
            await works.sync.run(force=True)
            assert (await documents(works))[gone].state is DocumentState.SUSPECT
            # It is asked for before the document went, and names it.
            report = await late
            assert (report.pages, report.named) == (1, first.named)
            assert (await documents(works))[gone].state is DocumentState.SUSPECT

        mirror.work(story)


@pytest.mark.parametrize(
    ("fault", "verb", "state"),
    [("F18", "revoke", AccountState.LOST), ("F19", "close", AccountState.CLOSED)],
    ids=["F18", "F19"],
)
def test_F18_F19_a_lost_grant_or_a_closed_account_hides_at_once_and_is_asked_no_more(
    tmp_path: Path, fault: str, verb: str, state: AccountState
) -> None:
    with LiveSite(members=2, documents=12, seed=3) as site:
        mirror = empty_mirror(tmp_path / fault, site)

        async def story(works: Works) -> None:
            for member in (0, 1):
                url, frob = await works.accounts.begin()
                await asyncio.to_thread(site.approve, url, member)
                await works.accounts.finish(frob)
            await works.sync.run(force=True)
            mine = site.members[0].user_id
            theirs = {int(number) for number in site.permitted(1)}
            site.end_member(0, verb)
            await works.sync.run(force=True)
            account = await works.base.catalog.read(lambda view: view.account(int(mine)))
            assert account is not None
            assert account.state is AccountState.DOUBTED
            await works.grants.run()
            account = await works.base.catalog.read(lambda view: view.account(int(mine)))
            assert account is not None
            assert account.state is state
            await works.purge.run()
            asked = calls(mirror, "doc.getList")
            await works.sync.run(force=True)
            await works.confirm.run()
            await works.grants.run()
            assert calls(mirror, "doc.getList") - asked == 1
            assert set(await documents(works)) == theirs

        mirror.work(story)


def test_F20_after_a_refusal_nothing_more_is_sent_and_nothing_is_lost(mirror: SiteMirror) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        mirror.site.fault("api_error", ANY, value=112)
        rejected = mirror.site.refusals(112)
        for _ in range(5):
            await works.sync.run(force=True)
            await works.confirm.run()
            await works.grants.run()
        assert mirror.site.refusals(112) - rejected == 1
        assert await is_untouched(works, before)

    mirror.work(story)


class Impostor:
    """Somebody between us and ipernity, with a certificate of his own, who would answer that everything is gone."""

    def __init__(self) -> None:
        self.heard = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.read(10_000)
        body = b'{"api":{"status":"error","code":"107","message":"revoked"}}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()


def certificate_for(name: str, folder: Path) -> ssl.SSLContext:
    """The context of a server that shows a certificate for another host, signed by nobody we trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "impostor.pem"
    pem.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_F21_a_name_that_is_lost_or_an_impostor_observes_nothing_and_hears_no_token(
    mirror: SiteMirror, tmp_path: Path
) -> None:
    impostor = Impostor()
    address = mirror.site.simulator.api_url

    async def ask(works: Works) -> None:
        before = await documents(works)
        assert len(before) == len(shared(mirror))
        report = await works.sync.run(force=True)
        assert report.pages == 0
        await works.grants.run()
        assert await is_untouched(works, before)

    async def meet(works: Works) -> None:
        server = await asyncio.start_server(
            impostor.answer, "127.0.0.1", port, ssl=certificate_for("www.ipernity.com", tmp_path)
        )
        async with server:
            await ask(works)

    port = free_port()
    mirror.edit(address, f"https://127.0.0.1:{port}/api/")
    mirror.work(meet)
    assert impostor.heard == b""
    mirror.edit(f"https://127.0.0.1:{port}/api/", "https://no-such-host.invalid/api/")
    mirror.work(ask)


def allow_two_an_hour(mirror: SiteMirror) -> None:
    for cap, before in (("second", 100), ("minute", 6_000), ("hour", 360_000)):
        mirror.edit(f"per_{cap} = {before}\n", f"per_{cap} = 2\n")


def keep_pages(works: Works, pages: int, *, read: bool) -> None:
    """Let the first listing have so many pages: claimed by its last answer, or read as well."""

    def keep(tx: Transaction) -> None:
        listing = tx.listings()[0]
        tx.put_listing(replace(listing, total=100 * pages, pages=pages))
        key = ListingKey(listing.account_id, listing.visibility)
        now = works.base.clock.now()
        if read:
            tx.put_page_plans(key, [PageKnowledge(page, now, 100 * pages, 100) for page in range(1, pages + 1)])

    works.base.catalog.write_now(keep)


def test_F16_F20_pages_that_were_only_claimed_keep_nobody_from_starting(mirror: SiteMirror) -> None:
    allow_two_an_hour(mirror)

    async def start(works: Works) -> None:
        await works.refuse_overload()
        keep_pages(works, 10_000, read=False)
        await works.refuse_overload()

    mirror.work(start)


def test_F20_a_budget_that_cannot_renew_what_is_held_is_refused_at_start(mirror: SiteMirror) -> None:
    allow_two_an_hour(mirror)

    async def start(works: Works) -> None:
        keep_pages(works, 50, read=True)
        with pytest.raises(BudgetTooSmallError, match=r"change budget in .*ipsync\.toml"):
            await works.refuse_overload()

    mirror.work(start)


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_F22_a_server_that_hangs_or_drips_is_left_and_observes_nothing(mirror: SiteMirror, kind: str) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        mirror.site.fault(kind, LIST, value=600)
        async with asyncio.timeout(60):
            assert (await works.sync.run(force=True)).pages == 0
        mirror.site.heal()
        assert await is_untouched(works, before)

    mirror.work(story)


@pytest.mark.parametrize("status", [429, 503])
def test_F39_media_hosts_that_refuse_take_nothing_from_verification(mirror: SiteMirror, status: int) -> None:
    async def story(works: Works) -> None:
        before = await documents(works)
        mirror.site.fault("http_status", ["media"], value=status)
        await works.media.run()
        asked = calls(mirror, "doc.getList")
        report = await works.sync.run(force=True)
        assert report.pages == calls(mirror, "doc.getList") - asked >= 4
        after = await documents(works)
        assert all(after[number].verified_at > before[number].verified_at for number in before)
        assert await states(works) == {DocumentState.LIVE: len(before)}

    mirror.work(story)
