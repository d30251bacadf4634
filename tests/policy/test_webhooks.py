"""What webhooks are owed, signed as Standard Webhooks says; and where they may lead."""

import pytest

from ipsync.policy.addresses import read_hook_address
from ipsync.policy.changes import Place
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.webhooks import (
    Trouble,
    Webhook,
    WebhookState,
    headers_of,
    message_id,
    new_secret,
    signature,
)

NOW = 1_795_000_000 * SECOND
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = Webhook(1, "https://a.example/", SECRET, WebhookState.ACTIVE, NOW)


def test_signatures_are_those_of_the_published_example() -> None:
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_part_is_signed() -> None:
    whole = signature(SECRET, "msg_1", 1, b"{}")
    others = {
        signature(new_secret(bytes(32)), "msg_1", 1, b"{}"),
        signature(SECRET, "msg_2", 1, b"{}"),
        signature(SECRET, "msg_1", 2, b"{}"),
        signature(SECRET, "msg_1", 1, b"{ }"),
    }
    assert len(others | {whole}) == 5
    headers = headers_of(HOOK, "msg_1", b"{}", NOW)
    assert headers["Webhook-Timestamp"] == "1795000000"
    assert headers["Webhook-Signature"] == signature(SECRET, "msg_1", 1_795_000_000, b"{}")


def test_a_message_tried_again_has_its_name_and_another_has_another() -> None:
    three, four = Place(3, 5, NOW), Place(4, 5, NOW)
    names = [message_id(HOOK, three), message_id(HOOK.delivered(three, NOW), four), message_id(HOOK, four)]
    assert len(set(names)) == 3
    assert message_id(HOOK.failed(Trouble.SLOW, NOW, DAY), three) == names[0]


def test_it_is_tried_ever_more_rarely_and_at_once_after_success() -> None:
    hook, pauses = HOOK, []
    for _ in range(14):
        hook = hook.failed(Trouble.UNREACHABLE, NOW, DAY)
        pauses.append(hook.next_try_at - NOW)
        assert not hook.is_due(NOW)
    assert pauses[:3] == [5 * SECOND, 10 * SECOND, 20 * SECOND]
    assert pauses[-1] == HOUR
    well = hook.delivered(Place(3, 5, NOW), NOW)
    assert (well.attempts, well.trouble, well.is_due(NOW)) == (0, None, True)
    assert not HOOK.failed(Trouble.ENDED, NOW, DAY).is_due(NOW + DAY)


def test_neither_address_nor_secret_is_shown_by_accident() -> None:
    assert "example" not in repr(HOOK)
    assert SECRET not in repr(HOOK)


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example.org",
        "https://a.example.org:8443/x?y=1",
        "http://127.0.0.1:9000/",
        "http://localhost/x",
        "http://[::1]:1/",
        "https://93.184.216.34/x",
    ],
)
def test_https_or_this_machine(address: str) -> None:
    assert read_hook_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "http://a.example.org/",
        "https://user:word@a.example.org/",
        "https://a.example.org/#x",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://intranet/",
        "https://127.0.0.2/",
        "https://a.example.org:99999/",
        "ftp://a.example.org/",
        "https://a.example.org/\u00e9",
        "https://a.example.org/ x",
        "https://a.example.org/\r\nX: y",
        "https://" + "a" * 3000 + ".org/",
        "",
    ],
)
def test_F34_nothing_is_sent_anywhere_else(address: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]") as refused:
        read_hook_address(address)
    assert "example" not in str(refused.value)
