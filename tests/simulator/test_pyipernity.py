"""Other people's code: PyIpernity, unchanged, on a real socket.

It is synchronous, so it works in a thread while the simulator runs in the loop.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from ipernity import IpernityAPI, IpernityError
from ipernity.exceptions import APIRequestError, UploadError

from ipsync.simulator import Simulator
from ipsync.simulator.media import jpeg
from tests.simulator.hands import FormReader

PERMISSIONS = {"doc": "delete"}


class Browser(requests.Session):
    """A member's browser: signed in, allowing whatever it is shown."""

    def __init__(self, cookie: str) -> None:
        super().__init__()
        self.cookies.set("member", cookie)

    def allow(self, url: str) -> requests.Response:
        form = FormReader(self.get(url, timeout=10).text).forms["fa"]
        return self.post(url, data=form, timeout=10, allow_redirects=False)


@pytest.fixture
def api(simulator: Simulator) -> IpernityAPI:
    """A client without a token."""
    return IpernityAPI(
        simulator.api_key, simulator.secret, url=simulator.api_url, auth_url_base=simulator.authorize_url
    )


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for place in (1, 2):
        path = tmp_path / f"photo{place}.jpg"
        path.write_bytes(jpeg.picture(320 * place, 240, place).content(f"tok-{place:016x}"))
        paths.append(path)
    return paths


def _login(api: IpernityAPI, simulator: Simulator, member: int = 0) -> None:
    frob = api.auth.getFrob()["auth"]["frob"]
    with Browser(simulator.members[member].cookie) as browser:
        page = browser.allow(api.auth.auth_url(PERMISSIONS, frob))
        assert '<div class="ok">' in page.text
    api.auth.getToken(frob)


async def _in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def test_desktop_login_and_token_info(api: IpernityAPI, simulator: Simulator) -> None:
    def story() -> None:
        _login(api, simulator)
        member = simulator.members[0]
        assert api.user_info["user_id"] == str(member.user_id)
        assert api.has_permissions({"doc": "write", "blog": "none"})
        assert not api.has_permissions({"blog": "read"})
        token = api.token
        api.token = token  # a bare string: the client asks auth.checkToken itself
        assert api.permissions["doc"] == "delete"
        assert api.user_info["username"] == member.username
        assert api.user.get(user_id=member.user_id)["user"]["username"] == member.username
        assert api.account.getQuota()["quota"]["user_id"] == str(member.user_id)

    await _in_thread(story)


async def test_web_login(simulator: Simulator) -> None:
    def story() -> None:
        api = IpernityAPI(
            simulator.api_key,
            simulator.secret,
            url=simulator.api_url,
            auth_url_base=simulator.authorize_url,
            auth="web",
        )
        with Browser(simulator.members[1].cookie) as browser:
            answer = browser.allow(api.auth.auth_url(PERMISSIONS))
        assert answer.status_code == 302
        frob = answer.headers["location"].partition("frob=")[2]
        assert api.auth.getToken(frob)["auth"]["user"]["username"] == simulator.members[1].username

    await _in_thread(story)


async def test_upload_edit_and_delete(api: IpernityAPI, simulator: Simulator, photos: list[Path]) -> None:
    def story() -> None:
        _login(api, simulator)
        ids = []
        for place, path in enumerate(photos):
            title = f"Tischdecke {place}"
            doc_id = api.upload_file(str(path), public=0, title=title, description="Beschreibung für den Test")
            doc = api.doc.get(doc_id=doc_id, extra="md5")["doc"]
            assert (doc["title"], doc["description"]) == (title, "Beschreibung für den Test")
            assert doc["md5"] == hashlib.md5(path.read_bytes()).hexdigest()
            content = requests.get(doc["original"]["url"], timeout=10).content
            assert content == path.read_bytes()
            ids.append(doc_id)
        api.doc.set(doc_id=ids[0], title="New Title", description="New description")
        assert api.doc.get(doc_id=ids[0])["doc"]["title"] == "New Title"
        assert [doc["doc_id"] for doc in api.walk_docs(per_page=7)][:2] == ids[::-1]
        for doc_id in ids:
            api.doc.delete(doc_id=doc_id)
        with pytest.raises(IpernityError) as gone:
            api.doc.get(doc_id=ids[0])
        assert isinstance(gone.value, APIRequestError)
        assert gone.value.code == 1

    await _in_thread(story)


async def test_the_client_waits_for_its_ticket(photos: list[Path]) -> None:
    async with Simulator(members=1, documents=0, upload_seconds=1) as simulator:
        api = IpernityAPI(
            simulator.api_key, simulator.secret, url=simulator.api_url, auth_url_base=simulator.authorize_url
        )

        def story() -> str:
            _login(api, simulator)
            return str(api.upload_file(str(photos[0])))

        assert (await _in_thread(story)).isdigit()
        assert simulator.world.meter.report()["calls"]["upload.checkTickets"] == 2


async def test_a_broken_file_is_an_upload_error(api: IpernityAPI, simulator: Simulator, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0")

    def story() -> None:
        _login(api, simulator)
        with pytest.raises(UploadError):
            api.upload_file(str(broken))

    await _in_thread(story)


async def test_share_hide_relicense(api: IpernityAPI, simulator: Simulator) -> None:
    def story() -> None:
        anonymous = IpernityAPI(simulator.api_key, simulator.secret, url=simulator.api_url)
        _login(api, simulator)
        doc_id = next(api.walk_docs(share=4))["doc_id"]
        owner = simulator.members[0].user_id
        assert anonymous.doc.get(doc_id=doc_id)["doc"]["visibility"]["share"] == "5"
        api.doc.setPerms(doc_id=doc_id, is_public=0, is_friend=1)
        with pytest.raises(IpernityError):
            anonymous.doc.get(doc_id=doc_id)
        assert doc_id not in [doc["doc_id"] for doc in anonymous.walk_docs(user_id=owner, per_page=100)]
        assert doc_id in [doc["doc_id"] for doc in api.walk_docs(share=2)]
        api.doc.setPerms(doc_id=doc_id, share=4)
        api.doc.setLicense(doc_id=doc_id, license=255)
        assert anonymous.doc.get(doc_id=doc_id)["doc"]["license"] == "255"

    await _in_thread(story)


async def test_albums(api: IpernityAPI, simulator: Simulator) -> None:
    def story() -> None:
        _login(api, simulator)
        ids = [doc["doc_id"] for doc in api.doc.getList(per_page=5)["docs"]["doc"]]
        album_id = api.album.create(title="Testalbum 1")["album"]["album_id"]
        added = api.album.docs.add(album_id=album_id, doc_id=",".join(ids))["album"]
        assert [doc["doc_id"] for doc in added["doc"]] == ids
        assert [doc["doc_id"] for doc in api.walk_album_docs(album_id, per_page=2)] == ids
        edited = api.album.edit(album_id=album_id, title="New Title", description="D", cover_id=ids[1])["album"]
        assert edited["cover"]["doc_id"] == ids[1]
        albums = list(api.walk_albums(per_page=2))
        assert album_id in [album["album_id"] for album in albums]
        assert {album["owner"]["user_id"] for album in albums} == {api.user_info["user_id"]}
        folder_id = api.folder.create(title="F")["folder"]["folder_id"]
        api.folder.albums.add(folder_id=folder_id, album_id=album_id)
        assert [album["album_id"] for album in api.walk_folder_albums(folder_id)] == [album_id]
        assert folder_id in [folder["folder_id"] for folder in api.walk_folders()]
        api.album.delete(album_id=album_id)
        assert list(api.walk_folder_albums(folder_id)) == []
        with pytest.raises(IpernityError) as missing:
            api.doc.albums.add(doc_id=ids[0], album_id=album_id)
        assert isinstance(missing.value, APIRequestError)
        assert missing.value.code == 103

    await _in_thread(story)


async def test_groups_search_and_methods(api: IpernityAPI, simulator: Simulator) -> None:
    def story() -> None:
        _login(api, simulator)
        group_id = api.group.getList()["groups"]["group"][0]["group_id"]
        doc_id = api.doc.getList(share=4)["docs"]["doc"][0]["doc_id"]
        added = api.group.docs.add(group_id=group_id, doc_id=doc_id)
        assert added["group"]["doc"][0]["doc_id"] == doc_id
        shown = api.group.docs.getList(group_id=group_id)["group"]["docs"]["doc"]
        assert doc_id in [doc["doc_id"] for doc in shown]
        groups = api.doc.getContainers(doc_id=doc_id)["groups"]["group"]
        assert group_id in [group["group_id"] for group in groups]
        removed = api.group.docs.remove(group_id=group_id, doc_id=doc_id)
        assert removed["group"]["docs"][0]["doc_id"] == doc_id
        assert api.doc.getContainers(doc_id=doc_id)["groups"]["group"] == []
        found = [doc["doc_id"] for doc in api.walk_doc_search(user_id=api.user_info["user_id"], per_page=30)]
        assert len(found) == 40
        names = [method["name"] for method in api.api.methods.getList()["methods"]["method"]]
        assert sorted(names) == sorted(IpernityAPI.__methods__)
        assert api.api.methods.get(method="test.echo")["method"]["name"] == "test.echo"
        assert api.test.echo(echo="ü & ß")["echo"] == "ü & ß"

    await _in_thread(story)


async def test_revoked_and_closed(api: IpernityAPI, simulator: Simulator) -> None:
    def code() -> int:
        try:
            api.doc.getList()
        except APIRequestError as error:
            return int(error.code)
        return 0

    await _in_thread(lambda: _login(api, simulator))
    assert await _in_thread(code) == 0
    simulator.members[0].closed = True
    assert await _in_thread(code) == 108
    simulator.members[0].closed = False
    simulator.world.state.revoke(simulator.members[0])
    assert await _in_thread(code) == 107


async def test_every_method_is_called_as_its_own_table_says(api: IpernityAPI, simulator: Simulator) -> None:
    """The client posts what its copy of the method list says must be posted: no method answers 120, 104 or 105."""

    def story() -> None:
        _login(api, simulator)
        for name in IpernityAPI.__methods__:
            with contextlib.suppress(APIRequestError):
                api.call(name)

    await _in_thread(story)
    stats = simulator.world.meter.report()
    assert set(stats["calls"]) == set(IpernityAPI.__methods__)
    assert not {"100", "101", "102", "104", "105", "120"} & set(stats["rejected"])
