"""`ipsync token`: what people and scripts see."""

import json
import sqlite3


def tokens(on, mirror, *words):
    done = on(mirror, "token", "list", *words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_token_is_made_shown_once_listed_and_revoked(on, mirror):
    made = on(mirror, "token", "create", "--name", "gallery", "--scope", "documents", "--scope", "media")
    assert made.code == 0, made.err
    text = made.out.strip()
    assert text.startswith("ips_")
    assert len(text) > 40
    assert "not shown again" in made.err
    listed = on(mirror, "token", "list")
    assert "gallery" in listed.out
    assert "never" in listed.out
    assert text not in listed.out
    [entry] = tokens(on, mirror)
    assert entry | {"created_at": ""} == {
        "token_id": 1, "name": "gallery", "scopes": ["documents", "media"], "account_id": None, "state": "valid",
        "created_at": "", "expires_at": None, "revoked_at": None, "last_used_on": None,
    }  # fmt: skip
    gone = on(mirror, "token", "revoke", "gallery")
    assert (gone.code, gone.out) == (0, 'Token 1 ("gallery") opens nothing any more.\n')
    assert tokens(on, mirror) == []
    assert tokens(on, mirror, "--all")[0]["state"] == "revoked"
    assert "already" in on(mirror, "token", "revoke", "1").out
    with sqlite3.connect(mirror.folder / "ipsync.db") as connection:
        assert text.encode() not in connection.serialize()


def test_a_script_gets_the_token_and_its_limits(on, mirror):
    account = str(mirror.site.members[0].user_id)
    words = ("--scope", "changes", "--account", account, "--until", "2999-12-31", "--json")
    done = on(mirror, "token", "create", "--name", "Anna's page", *words)
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["token"].startswith("ips_")
    assert (made["account_id"], made["scopes"]) == (account, ["changes"])
    assert made["expires_at"] == "2999-12-31T00:00:00.000Z"


def test_what_is_wrong_is_said_with_a_remedy(on, mirror):
    for words, told in (
        (("create", "--name", "x", "--scope", "all"), "documents, media, changes"),
        (("create", "--name", "x", "--scope", "media", "--until", "soon"), "2027-12-31"),
        (("create", "--name", "x", "--scope", "media", "--until", "2020-01-01"), "in the future"),
        (("create", "--name", "-", "--scope", "media"), "1 to 64 letters"),
        (("revoke", "ips_" + "x" * 43), "history"),
    ):
        done = on(mirror, "token", *words)
        assert done.code == 2, words
        assert told in done.err, words
    assert "token create" in on(mirror, "token", "list").out
