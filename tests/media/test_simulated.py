"""The fetcher against the files of the simulated ipernity, into the real store, with the faults it can be told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from ipsync.ipernity.media import MediaFetcher, MediaLimits, loopback_of
from ipsync.policy.documents import Media, RemoteFile
from ipsync.ports.source import Fetched, MediaGone, MediaLater, MediaRejected
from ipsync.ports.store import ContentKey, Erased
from ipsync.simulator import Simulator, sign
from ipsync.store import FileStore
from tests.fakes.clock import FakeClock


class Site:
    """A simulated member's documents, a fetcher for them, and a store."""

    def __init__(self, simulator: Simulator, store: FileStore) -> None:
        self.simulator = simulator
        self.store = store
        self.member = simulator.members[0]
        self.kinds: dict[int, Media] = {}
        self.token = simulator.world.state.grant(self.member, {"doc": "delete"}).value
        self.fetcher = MediaFetcher(
            media_hosts=["127.0.0.1"],
            user_agent="tests",
            clock=FakeClock(auto=True),
            loopback=loopback_of(simulator.api_url),
            limits=MediaLimits(total_seconds=3, idle_seconds=1),
        )

    def call(self, method: str, **params: str) -> Any:
        params |= {"api_key": self.simulator.api_key, "auth_token": self.token}
        params["api_sig"] = sign(params, self.simulator.secret, method)
        return self.simulator.world.call(method, params)

    def files(self) -> dict[ContentKey, RemoteFile]:
        """Thumbnail, original and playable file of every document the simulator lists."""
        listed = self.call(
            "doc.getList", user_id=str(self.member.user_id), share="4", extra="original,medias", per_page="100"
        )
        found = {}
        for entry in listed["docs"]["doc"]:
            self.kinds[int(entry["doc_id"])] = Media(entry["media"])
            offers = {"75x": entry["thumb"], "original": entry["original"]}
            if "medias" in entry:
                offers["media"] = entry["medias"]["media"][0]
            for rendition, offer in offers.items():
                size_bytes = int(offer["bytes"]) if "bytes" in offer else None
                key = ContentKey(self.member.user_id, int(entry["doc_id"]), rendition)
                found[key] = RemoteFile(rendition, offer["url"], size_bytes=size_bytes)
        return found

    def fault(self, kind: str, **order: Any) -> None:
        world = self.simulator.world
        world.faults.order({"kind": kind, "methods": ["media"], "count": 1, **order}, world.state.now())

    async def mirror(self, key: ContentKey, file: RemoteFile) -> Fetched:
        incoming = self.store.receive(key)
        try:
            fetched = await self.fetcher.fetch(file, incoming, self.kinds[key.document_id])
            kept = incoming.keep()
        finally:
            incoming.close()
        assert kept.size_bytes == fetched.size_bytes
        assert kept.digest == self.store.digest(key)
        return fetched


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    async with Simulator(members=1, documents=40) as simulator:
        told = Site(simulator, store)
        yield told
        await told.fetcher.close()
    store.close()


async def test_every_file_of_a_member_is_mirrored_and_erased(site: Site) -> None:
    files = site.files()
    types = {key: (await site.mirror(key, file)).content_type for key, file in files.items()}
    site.store.make_durable(files)
    assert set(site.store.walk()) == set(files)
    assert {types[key] for key in files if key.rendition == "75x"} == {"image/jpeg"}
    assert {types[key].partition("/")[0] for key in files if key.rendition == "media"} == {"video", "audio"}
    for key, file in files.items():
        if file.size_bytes is not None:
            with site.store.open(key) as stored:
                assert len(stored.read()) == file.size_bytes
    erased = site.store.erase_account(site.member.user_id)
    assert erased.files == len(files)
    assert site.store.erase_account(site.member.user_id) == Erased(0, 0)
    assert site.store.size_bytes() == 0


@pytest.mark.parametrize(
    ("kind", "order", "failure"),
    [
        ("http_status", {"value": 404}, MediaGone),
        ("http_status", {"value": 503}, MediaLater),
        ("html", {}, MediaRejected),
        ("api_error", {"value": 500}, MediaRejected),
        ("truncate", {}, MediaLater),
        ("reset", {"value": 1500}, MediaLater),
        ("slow", {"value": 20}, MediaLater),
        ("hang", {"value": 20}, MediaLater),
    ],
)
async def test_a_fault_is_no_file_and_the_next_try_brings_the_whole_one(
    site: Site, kind: str, order: dict[str, Any], failure: type[Exception]
) -> None:
    key, file = max(
        ((key, file) for key, file in site.files().items() if key.rendition == "original"),
        key=lambda item: item[1].size_bytes or 0,
    )
    whole = await site.mirror(key, file)
    with site.store.open(key) as stored:
        digest = blake3(stored.read()).digest()
    site.store.erase_documents([(key.account_id, key.document_id)])
    site.fault(kind, **order)
    with pytest.raises(failure):
        await site.mirror(key, file)
    assert list(site.store.walk()) == []
    assert await site.mirror(key, file) == whole
    assert site.store.digest(key) == digest


async def test_an_address_dies_when_privacy_changes(site: Site) -> None:
    key, file = next(item for item in site.files().items() if item[0].rendition == "75x")
    await site.mirror(key, file)
    assert site.call("doc.setPerms", doc_id=str(key.document_id), share="0")["api"]["status"] == "ok"
    with pytest.raises(MediaGone):
        await site.mirror(key, file)
