"""Requests as different clients write them."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from ipsync.simulator import Simulator
from tests.simulator.hands import Hand


async def _json(answer: aiohttp.ClientResponse) -> Any:
    assert answer.status == 200
    assert answer.content_type == "application/json"
    return await answer.json()


@pytest.mark.parametrize("suffix", ["", "/", "/json", "/json/"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_format_is_optional_by_get_and_post(simulator: Simulator, suffix: str, verb: str) -> None:
    params = Hand(simulator.world).signed("test.echo", echo="é+&= ", lg="en")
    url = f"{simulator.api_url}test.echo{suffix}"
    async with aiohttp.ClientSession() as session:
        get = verb == "GET"
        request = session.get(f"{url}?{urlencode(params)}") if get else session.post(url, data=params)
        async with request as answer:
            assert (await _json(answer))["echo"] == "é+&= "


async def test_other_formats_are_refused_as_an_answer(simulator: Simulator) -> None:
    url = f"{simulator.api_url}test.hello/xml?api_key={simulator.api_key}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (await _json(answer))["api"]["code"] == "102"


async def test_multipart_without_a_file_and_parameters_in_the_address(simulator: Simulator) -> None:
    params = Hand(simulator.world).signed("test.echo", echo="ü")
    with aiohttp.MultipartWriter("form-data") as form:
        for name in ("echo", "api_sig"):
            form.append(params[name]).set_content_disposition("form-data", name=name)
        async with aiohttp.ClientSession() as session:
            url = f"{simulator.api_url}test.echo?api_key={simulator.api_key}"
            async with session.post(url, data=form) as answer:
                assert (await _json(answer))["echo"] == "ü"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"\xff\xfe=%ff&&&=&a"),
        ("", b""),
    ],
)
async def test_bodies_that_are_no_forms(simulator: Simulator, content_type: str, body: bytes) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {"Content-Type": content_type} if content_type else {}
        async with session.post(f"{simulator.api_url}test.hello", data=body, headers=headers) as answer:
            assert (await _json(answer))["api"]["code"] == "100"


async def test_other_verbs(simulator: Simulator) -> None:
    async with aiohttp.ClientSession() as session, session.put(f"{simulator.api_url}test.hello") as answer:
        assert answer.status == 405


async def test_an_upload_over_the_wire_by_hand(simulator: Simulator) -> None:
    token = simulator.world.state.grant(simulator.members[0], {"doc": "write"}).value
    params = Hand(simulator.world, token).signed("upload.file", title="Ünïcode")
    form = aiohttp.FormData(params)
    form.add_field("file", b"%PDF-1.4 a document", filename="böse/../x.pdf", content_type="text/html")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{simulator.api_url}upload.file/json", data=form) as answer:
            ticket = (await _json(answer))["ticket"]
        doc_id = Hand(simulator.world, token).ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"][0][
            "doc_id"
        ]
        doc = Hand(simulator.world, token).ok("doc.get", doc_id=doc_id)["doc"]
        assert doc["title"] == "Ünïcode"
        async with session.get(doc["original"]["url"]) as answer:
            assert await answer.read() == b"%PDF-1.4 a document"
            assert answer.content_type == "application/pdf"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_addresses_in_answers_are_those_of_this_server(simulator: Simulator) -> None:
    docs = Hand(simulator.world).ok("doc.getList", user_id=simulator.members[0].user_id, extra="original,link")
    for doc in docs["docs"]["doc"]:
        assert doc["thumb"]["url"].startswith(f"{simulator.base_url}/media/")
        assert doc["link"].startswith(simulator.base_url)


async def test_many_clients_at_once(simulator: Simulator) -> None:
    url = f"{simulator.api_url}test.hello?api_key={simulator.api_key}"
    async with aiohttp.ClientSession() as session:

        async def one() -> str:
            async with session.get(url) as answer:
                return str((await _json(answer))["api"]["status"])

        assert set(await asyncio.gather(*(one() for _ in range(100)))) == {"ok"}
