"""Who is let in: the token, guessing, time, and keys that are still for tests."""

import asyncio
import random
import statistics
import time
from dataclasses import replace

import pytest

from ipsync.policy.instants import MINUTE, SECOND
from ipsync.web.authentication import AdminToken, FailureLimit
from ipsync.web.parts import no_stamp
from ipsync.web.place import is_loopback
from tests.fakes.clock import FakeClock
from tests.web.conftest import ADMIN, BEARER, START, serving

PROTECTED = ["/v1/documents", "/v1/documents/5", "/media/5/240"]
OPEN = ["/metrics", "/healthz", "/readyz", "/privacy", "/privacy.json", "/static/style.css"]


@pytest.mark.parametrize("path", PROTECTED)
async def test_F36_documents_and_files_need_the_token(shown, client, path):
    for method in ("GET", "HEAD"):
        answer = await client.get(path, method=method, token=False)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ipsync"'
        assert answer.headers["Cache-Control"] == "private, no-store"
    assert (await client.get(path, token=False)).json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", f"Basic {ADMIN}", ADMIN, f"Bearer {ADMIN}x", f"Bearer {ADMIN[:-1]}",
     f"Bearer {ADMIN.upper()}", f"Bearer {ADMIN} {ADMIN}", "Bearer é", "Token " + ADMIN],
)  # fmt: skip
async def test_F36_anything_but_the_token_is_refused(shown, client, value):
    assert (await client.get("/v1/documents", token=False, Authorization=value)).status == 401


async def test_the_scheme_is_read_as_rfc_9110_says(shown, client):
    assert (await client.get("/v1/documents", token=False, Authorization=f"bearer   {ADMIN}")).status == 200


async def test_a_token_in_the_address_opens_nothing(shown, client):
    for name in ("token", "access_token", "auth_token"):
        assert (await client.get(f"/v1/documents?{name}={ADMIN}", token=False)).status == 401


async def test_F36_an_unset_token_opens_nothing(shown):
    async with serving(shown, admin_token="") as client:
        for value in ("Bearer ", "Bearer", "", "Bearer  "):
            assert (await client.get("/v1/documents", token=False, Authorization=value)).status == 401


@pytest.mark.parametrize("path", OPEN)
async def test_probes_and_pages_are_open(shown, client, path):
    assert (await client.get(path, token=False)).status == 200


async def test_an_unknown_path_tells_the_same_with_and_without_a_token(shown, client):
    for path in ("/connect", "/status", "/v1/nothing", "/v1", "/media", "/admin", "/v1/documents/"):
        with_token, without = await client.get(path), await client.get(path, token=False)
        assert with_token.status == without.status == 404
        assert with_token.body == without.body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/v1/documents", "/media/5/240", "/privacy"])
async def test_T12_nothing_can_be_changed_here(shown, client, method, path):
    answer = await client.get(path, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,HEAD"
    assert answer.json()["error"]["code"] == "method-not-allowed"


# Guessing


async def test_F36_guessing_is_slowed_down_per_address(shown, client):
    for _ in range(10):
        assert (await client.get("/v1/documents", token=False)).status == 401
    answer = await client.get("/v1/documents")
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    shown.clock.jump(MINUTE)
    assert (await client.get("/v1/documents")).status == 200


async def test_F36_a_stranger_does_not_lock_out_who_comes_through_the_same_front_server(shown):
    async with serving(shown, public_url="https://mirror.example.org") as client:
        for _ in range(10):
            guess = await client.get("/v1/documents", token=False, X_Forwarded_For="203.0.113.9")
            assert guess.status == 401
        assert (await client.get("/v1/documents", X_Forwarded_For="203.0.113.9")).status == 429
        # What a visitor claims stands before what the front server saw.
        assert (await client.get("/v1/documents", X_Forwarded_For="203.0.113.10, 203.0.113.9")).status == 429
        assert (await client.get("/v1/documents", X_Forwarded_For="203.0.113.9, 198.51.100.7")).status == 200
        # What a stranger claims of itself stands before what the front server adds.
        assert (await client.get("/v1/documents", X_Forwarded_For="198.51.100.7, 203.0.113.9")).status == 429


@pytest.fixture
def clock():
    return FakeClock(START)


def test_F36_one_address_does_not_lock_out_another(clock):
    limit = FailureLimit(clock, per_address=3)
    for _ in range(5):
        limit.failed("203.0.113.5")
    assert limit.wait_seconds(lambda: "203.0.113.5") == 60
    assert limit.wait_seconds(lambda: "203.0.113.6") == 0
    clock.jump(59 * SECOND + 1)
    assert limit.wait_seconds(lambda: "203.0.113.5") == 1
    clock.jump(SECOND)
    assert limit.wait_seconds(lambda: "203.0.113.5") == 0


def test_F36_many_addresses_together_are_slowed_down_but_not_who_showed_the_token(clock):
    limit = FailureLimit(clock, per_address=3, in_all=20)
    limit.failed("198.51.100.1")
    limit.succeeded(lambda: "198.51.100.7")
    for number in range(20):
        limit.failed(f"203.0.113.{number}")
    assert limit.wait_seconds(lambda: "203.0.113.200") > 0
    assert limit.wait_seconds(lambda: "198.51.100.7") == 0


def test_T22_no_address_is_kept_beyond_its_minute_nor_in_clear(clock):
    limit = FailureLimit(clock)
    for number in range(100):
        limit.failed(f"203.0.113.{number}")
    assert limit.remembered == 100
    held = repr(vars(limit))
    assert "203.0.113" not in held
    assert b"203.0.113" not in b"".join(limit._failures)
    before = dict(limit._failures)
    clock.jump(MINUTE)
    assert limit.remembered == 0
    limit.failed("203.0.113.1")
    assert not before.keys() & limit._failures.keys()  # another key: minutes cannot be joined


async def test_T22_no_address_reaches_the_log(shown, client, caplog):
    caplog.set_level("DEBUG")
    for _ in range(15):
        await client.get("/v1/documents", token=False)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"\x16\x03\x01 not http\r\n\r\n")
    await reader.read()
    writer.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "Too many wrong tokens; more are not looked at for a while.",
        "Something that was asked for was refused.",
    ]
    assert "127.0.0.1" not in "".join(
        record.getMessage() for record in caplog.records if "Listening" not in record.getMessage()
    )


def welch(matches, near, far, rounds=100_000):
    """Welch's t between the times of two wrong tokens, asked in random order; the slow half says nothing of us."""
    times = {near: [], far: []}
    order, clock = random.Random(36), time.perf_counter_ns
    for _ in range(rounds):
        presented = near if order.random() < 0.5 else far
        began = clock()
        matches(presented)
        times[presented].append(clock() - began)
    first, second = (sorted(samples)[: len(samples) // 2] for samples in times.values())
    spread = (statistics.variance(first) / len(first) + statistics.variance(second) / len(second)) ** 0.5
    return (statistics.fmean(first) - statistics.fmean(second)) / spread


def test_F36_the_time_of_a_comparison_tells_nothing():
    """A token that is nearly right takes as long as one that is all wrong.

    What the machine does meanwhile may show in one measurement; a leak would show in every one.
    """
    token = "x" * 40 + ADMIN
    near, far = token[:-1] + "!", "!" + token[1:]
    assert any(abs(welch(AdminToken(token).matches, near, far)) < 4.5 for _ in range(6))


def test_F36_a_comparison_that_stops_early_would_be_seen():
    token = "x" * 40 + ADMIN

    def stops_early(presented):
        return all(ours == theirs for ours, theirs in zip(token, presented, strict=True))

    near, far = token[:-1] + "!", "!" + token[1:]
    assert all(abs(welch(stops_early, near, far, 10_000)) > 4.5 for _ in range(3))


def test_F36_only_digests_are_compared(monkeypatch):
    seen = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: seen.append((a, b)) or a == b)
    door = AdminToken(ADMIN)
    assert door.matches(ADMIN)
    assert not door.matches("")
    assert not door.matches("x" * 10_000)
    assert {len(part) for pair in seen for part in pair} == {32}
    assert len(seen) == 3


# T04


async def test_T04_a_key_that_awaits_validation_serves_this_machine_only(shown, client, monkeypatch):
    shown.operator = replace(shown.operator, awaiting_validation=True)
    for path in (*PROTECTED, *OPEN):
        assert (await client.get(path)).status == 200
    for name in ("Forwarded", "X_Forwarded_For", "Via"):
        for path in (*PROTECTED, *OPEN, "/nowhere"):
            answer = await client.get(path, **{name: "for=203.0.113.7"})
            assert answer.status == 403
    monkeypatch.setattr("aiohttp.web.BaseRequest.remote", "203.0.113.7")
    for path in (*PROTECTED, *OPEN):
        answer = await client.get(path)
        assert (answer.status, answer.json()["error"]["code"]) == (403, "testing-only")
    shown.operator = replace(shown.operator, awaiting_validation=False)
    assert (await client.get("/v1/documents")).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""])
def test_T04_loopback(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["203.0.113.7", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "2001:db8::1", "localhost", "x", "0.0.0.0"],
)
def test_T04_not_loopback(address):
    assert not is_loopback(address)


async def test_I9_the_token_is_nowhere_in_what_is_said(shown, client, caplog):
    caplog.set_level("DEBUG")
    assert ADMIN not in repr(shown.parts())
    for path in (*OPEN, *PROTECTED, "/nowhere"):
        answer = await client.get(path)
        assert ADMIN.encode() not in answer.body
        assert ADMIN not in str(answer.headers)
    assert ADMIN not in caplog.text


async def test_a_catalog_that_cannot_answer_is_said_to_be_so(shown, caplog):
    shown.stamp = no_stamp
    async with serving(shown) as client:
        await shown.catalog.close()
        for path in PROTECTED:
            answer = await client.get(path)
            assert (answer.status, answer.json()["error"]["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"] == "5"
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/metrics")).status == 200
        page = await client.get("/privacy")
        assert (page.status, "cannot be read just now" in page.text) == (200, True)
        assert (await client.get("/privacy.json")).json()["now"] is None


async def test_an_error_of_ours_says_nothing_of_itself(shown, caplog):
    def broken():
        raise RuntimeError("with a secret inside")

    async with serving(shown, rules=broken) as client:
        for headers in (BEARER, {"Accept": "text/html"} | BEARER):
            answer = await client.get("/v1/documents", **headers)
            assert answer.status == 500
            assert answer.json()["error"] == {"code": "internal", "message": "Something of ours failed."}
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "with a secret inside" in caplog.text  # for the operator
