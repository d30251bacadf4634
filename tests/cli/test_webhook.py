"""`ipsync webhook`: what the operator sees of those who are told of changes."""

import http.server
import json
import sqlite3
import threading

import pytest


@pytest.fixture
def receiver():
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((dict(self.headers), json.loads(body)))
            self.send_response(204 if len(heard) == 1 else 500)
            self.end_headers()

        def log_message(self, *_words):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/canary-path", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_adding_to_removing(on, mirror, receiver):
    address, heard = receiver
    added = on(mirror, "webhook", "add", address)
    assert added.code == 0, added.err
    secret = added.out.strip()
    assert secret.startswith("whsec_")
    assert "not shown again" in added.err
    listed = on(mirror, "webhook", "list")
    assert listed.code == 0, listed.err
    assert "active" in listed.out
    assert "canary-path" not in listed.out + on(mirror, "webhook", "list", "--json").out
    assert address in on(mirror, "webhook", "show", "1").out
    shown = json.loads(on(mirror, "webhook", "show", "1", "--json").out)
    assert (shown["address"], shown["owed_changes"], shown["trouble"]) == (address, 0, None)
    assert secret not in json.dumps(shown)

    tried = on(mirror, "webhook", "test", "1")
    assert (tried.code, tried.out) == (0, "Webhook 1 took the message.\n")
    headers, message = heard[0]
    assert message["type"] == "test"
    assert headers["Webhook-Signature"].startswith("v1,")
    refused = on(mirror, "webhook", "test", "1")
    assert refused.code == 1
    assert "an error of its own" in refused.err
    assert json.loads(on(mirror, "webhook", "test", "1", "--json").out)["trouble"] is not None

    with sqlite3.connect(mirror.folder / "ipsync.db") as connection:
        kept = connection.serialize()
    assert b"canary-path" not in kept
    assert secret[6:].encode() not in kept
    assert on(mirror, "webhook", "remove", "1").code == 0
    assert "There is no webhook" in on(mirror, "webhook", "list").out


def test_what_is_wrong_is_said_with_a_remedy(on, mirror):
    for words, told in (
        (("add", "http://gallery.example.org/"), "https only"),
        (("add", "https://192.168.1.1/"), "not public"),
    ):
        done = on(mirror, "webhook", *words)
        assert done.code == 2, (words, done.err)
        assert told in done.err
