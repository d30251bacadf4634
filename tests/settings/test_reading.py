"""Reading: few lines suffice, every mistake is named at once, with file, key, reason and remedy."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ipsync.policy.budget import Caps
from ipsync.policy.documents import Media, Safety, Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse
from ipsync.settings import Problem, Settings, SettingsInvalid, check, load, locate
from ipsync.settings.sections import SECTIONS
from tests.fakes.configuration import KEY, OPERATOR, SECRETS, write_configuration


def problems_of(folder: Path, more: str = "", **sections: str) -> list[Problem]:
    return check(write_configuration(folder, more, **sections), SECRETS)


def errors_of(folder: Path, more: str = "", **sections: str) -> dict[str, Problem]:
    return {problem.key: problem for problem in problems_of(folder, more, **sections) if problem.is_error}


def loaded(folder: Path, more: str = "", **sections: str) -> Settings:
    return load(write_configuration(folder, more, **sections), SECRETS)


def test_operator_and_key_are_enough(tmp_path: Path) -> None:
    settings = loaded(tmp_path)

    assert settings.warnings == ()
    assert settings.operator.application == "Test wall"
    assert settings.operator.privacy_policy == tmp_path / "privacy-policy.md"
    assert settings.api.url == "https://api.ipernity.com/api/"
    assert settings.api.authorize_url == "https://www.ipernity.com/apps/authorize"
    assert settings.api.timeout == 30 * SECOND
    assert settings.api.media_hosts == ("*.ipernity.com",)
    budget = settings.budget
    assert (budget.per_second, budget.per_minute, budget.per_hour, budget.per_day) == (2, 60, 1000, 20000)
    assert budget.media_bandwidth == 5_000_000
    assert settings.ttl.original == 30 * DAY
    assert (settings.removal.window, settings.removal.unverified) == (24 * HOUR, "purge")
    assert (settings.removal.seal_max, settings.removal.outage) == (7 * DAY, 10 * HOUR)
    assert (settings.removal.tripwire_share, settings.removal.tripwire_count) == (0.2, 50)
    assert settings.database.url == f"sqlite:///{tmp_path}/ipsync.db"
    assert settings.database.path == tmp_path / "ipsync.db"
    assert settings.store.url == f"file:{tmp_path}/content"
    assert settings.store.path == tmp_path / "content"
    assert (settings.web.host, settings.web.port, settings.web.public_url) == ("127.0.0.1", 8480, "")
    assert (settings.log.level, settings.log.format) == ("info", "json")
    assert "operator.contact" in settings.given
    assert "api.url" not in settings.given


def test_defaults_become_policy(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    view = settings.permitted_view()

    assert settings.lease() == Lease(window=24 * HOUR)
    assert view.use is KeyUse.NON_COMMERCIAL
    assert view.visibility == {Visibility.PUBLIC}
    assert view.media == set(Media)
    assert view.safety == set(Safety)
    assert view.licenses == set(LICENSES)
    assert view.renditions == ("240", "original")
    assert settings.rules().ttl.metadata == 30 * DAY
    assert settings.rules().view == view
    assert settings.accounts_most is None


def test_T13_permissions_follow_from_what_is_mirrored(tmp_path: Path) -> None:
    assert loaded(tmp_path).permissions == {"doc": "read"}


def test_everything_can_be_said(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
        [mirror]
        visibility = ["public", "friends-and-family", "public"]
        media = ["photo"]
        safety = ["everyone", "not-for-all"]
        licenses = ["cc-by", 9, "copyleft"]
        renditions = ["75x", "500", "media"]
        details = true
        [api]
        timeout = "1.5s"
        media_hosts = ["*.Ipernity.com", "cdn.example.net"]
        [budget]
        media_bandwidth = "1.5 MiB"
        [removal]
        window = "12h"
        outage = "90m"
        [database]
        url = "sqlite:////var/lib/ipsync/ipsync.db"
        [store]
        url = "file:///srv/copies"
        [web]
        listen = "[::1]:0"
        public_url = "https://wall.example.org/mirror/"
        front_servers = ["172.18.0.1", "fd00::/64", "172.18.0.1/32"]
        """,
    )

    assert settings.mirror.visibility == (Visibility.PUBLIC, Visibility.FRIENDS_AND_FAMILY)
    assert settings.mirror.safety == (Safety.EVERYONE, Safety.NOT_FOR_ALL)
    assert settings.permitted_view().licenses == {1, 9, 255}
    assert settings.mirror.renditions == ("75x", "500", "media")
    assert settings.api.timeout == 1_500_000
    assert settings.api.media_hosts == ("*.ipernity.com", "cdn.example.net")
    assert settings.budget.media_bandwidth == 1_572_864
    assert settings.removal.outage == 90 * MINUTE
    assert settings.database.path == Path("/var/lib/ipsync/ipsync.db")
    assert settings.store.path == Path("/srv/copies")
    assert (settings.web.host, settings.web.port, settings.web.is_loopback) == ("::1", 0, True)
    assert settings.web.public_url == "https://wall.example.org/mirror"
    assert settings.web.front_servers == ("172.18.0.1/32", "fd00::/64")


def test_a_simulator_on_this_machine_needs_one_line(tmp_path: Path) -> None:
    settings = loaded(tmp_path, '[api]\nurl = "http://127.0.0.1:8700/api"')

    assert settings.api.url == "http://127.0.0.1:8700/api/"
    assert settings.api.authorize_url == "http://127.0.0.1:8700/apps/authorize"
    assert settings.api.media_hosts == ("127.0.0.1",)


def test_T21_the_caps_are_what_the_budget_says(tmp_path: Path) -> None:
    more = "[budget]\nper_second = 0.5\nper_minute = 30\nper_hour = 600\nper_day = 7000"

    assert loaded(tmp_path, more).caps() == Caps(per_second=0.5, per_minute=30, per_hour=600, per_day=7000)


def test_outage_follows_a_short_window(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[removal]\nwindow = "24s"').removal.outage == 10 * SECOND


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = loaded(tmp_path)

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.file = tmp_path  # type: ignore[misc]  # reason: the refusal itself is what is tested
    with pytest.raises(ValidationError):
        settings.budget.per_hour = 10**6  # type: ignore[misc]  # reason: the refusal itself is what is tested


def test_overrides_replace_the_file(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[removal]\nwindow = "12h"')

    settings = load(file, SECRETS, overrides={"removal.window": "30s", "api.url": "http://127.0.0.1:9/api/"})

    assert settings.removal.window == 30 * SECOND
    assert settings.api.media_hosts == ("127.0.0.1",)


def test_the_file_is_named_by_argument_then_environment_then_etc(tmp_path: Path) -> None:
    named = tmp_path / "a.toml"

    assert locate(named, {"IPSYNC_CONFIG": "/other.toml"}) == named
    assert locate(None, {"IPSYNC_CONFIG": "/other.toml"}) == Path("/other.toml")
    assert locate(None, {"IPSYNC_CONFIG": ""}) == Path("/etc/ipsync/ipsync.toml")
    assert locate(None, {}) == Path("/etc/ipsync/ipsync.toml")


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    write_configuration(tmp_path / "conf", '[store]\nurl = "file:../copies"')
    monkeypatch.chdir(tmp_path)

    settings = load(Path("conf/ipsync.toml"), SECRETS)

    assert settings.file == tmp_path / "conf" / "ipsync.toml"
    assert settings.store.path.resolve() == tmp_path / "copies"


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    more = """
        [budgett]
        per_hour = 5
        [api]
        url = "http://api.ipernity.com/api/"
        timeout = 30
        retries = 3
        [budget]
        per_hour = 0
        per_minuet = 4
        media_bandwidth = "5MB/s"
        [mirror]
        visibility = "public"
        licenses = ["cc-by", "cc-zero"]
        renditions = ["240", "500"]
        window = "12h"
        [[agreements]]
        owner = "nobody"
        reference = "x"
        [ttl]
        media = "forever"
        [removal]
        window = "25h"
        tripwire_share = 2
        [web]
        listen = "0.0.0.0:8480"
    """
    operator = '[operator]\napplication = "ipernity"\npurpose = ""\nterms_accepted = "2016-01-01"\n'
    key = '[key]\nuse = "private"\n'
    file = write_configuration(tmp_path, more, operator=operator, key=key)

    with pytest.raises(SettingsInvalid) as caught:
        load(file, {"IPSYNC_API_KEY": "two words"})

    keys = [problem.key for problem in caught.value.problems]
    assert sorted(keys) == sorted(
        [
            "budgett",
            "api.url",
            "api.timeout",
            "api.retries",
            "budget.per_hour",
            "budget.per_minuet",
            "budget.media_bandwidth",
            "mirror.visibility",
            "mirror.licenses",
            "mirror.window",
            "agreements[0].owner",
            "agreements[0].until",
            "ttl.media",
            "removal.window",
            "removal.tripwire_share",
            "web.public_url",
            "operator.application",
            "operator.purpose",
            "operator.contact",
            "operator.terms_accepted",
            "key.use",
            "IPSYNC_API_KEY",
            "secrets.api_secret_file",
            "secrets.admin_token_file",
            "secrets.state_key_file",
        ]
    )
    for problem in caught.value.problems:
        assert problem.file in (str(file), "environment")
        assert problem.reason
        assert problem.remedy
        assert f"{problem.key}: " in str(caught.value)


@pytest.mark.parametrize(
    ("more", "key", "hint"),
    [
        ("[budgett]\n", "budgett", 'did you mean "budget"'),
        ("[removal]\nwindwo = 1", "removal.windwo", 'did you mean "window"'),
        ('[mirror]\nwindow = "12h"', "mirror.window", "below [removal]"),
        ("[api]\ncolour = 1", "api.colour", "there are url, authorize_url"),
        ('["per\\nhour"]\nx = 1', '"per\\nhour"', "leave it out"),
        ("[mirror]\nvisibility = ['pubic']", "mirror.visibility", '"public"'),
    ],
)
def test_unknown_keys_are_refused_with_a_suggestion(tmp_path: Path, more: str, key: str, hint: str) -> None:
    errors = errors_of(tmp_path, more)

    assert list(errors) == [key]
    assert hint in errors[key].reason + errors[key].remedy


def test_a_key_outside_its_section_is_led_home(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, operator='window = "12h"\n' + OPERATOR)

    assert errors["window"].remedy == "write it below [removal]"


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('[api]\nurl = "ftp://127.0.0.1/"', "api.url"),
        ('[api]\nurl = "http://api.ipernity.com/"', "api.url"),
        ('[api]\nurl = "https://user:pass@api.ipernity.com/"', "api.url"),
        ('[api]\nurl = "https://api.ipernity.com/?api_key=1"', "api.url"),
        ('[api]\nurl = "https://api.ipernity.com:99999/"', "api.url"),
        ('[api]\nurl = "https://[::1/"', "api.url"),
        ("[api]\nurl = 7", "api.url"),
        ('[api]\ntimeout = "61s"', "api.timeout"),
        ('[api]\ntimeout = "0s"', "api.timeout"),
        ('[api]\ntimeout = "-3s"', "api.timeout"),
        ("[api]\nmedia_hosts = []", "api.media_hosts"),
        ('[api]\nmedia_hosts = ["*"]', "api.media_hosts"),
        ('[api]\nmedia_hosts = ["*.com"]', "api.media_hosts"),
        ('[api]\nmedia_hosts = ["127.0.0.1"]', "api.media_hosts"),
        ('[api]\nmedia_hosts = ["169.254.169.254"]', "api.media_hosts"),
        ('[api]\nmedia_hosts = ["a.example.com/x"]', "api.media_hosts"),
        ("[budget]\nper_second = 0", "budget.per_second"),
        ("[budget]\nper_second = -1.5", "budget.per_second"),
        ("[budget]\nper_second = inf", "budget.per_second"),
        ("[budget]\nper_minute = 1.5", "budget.per_minute"),
        ("[budget]\nper_second = true", "budget.per_second"),
        ('[budget]\nper_second = "2"', "budget.per_second"),
        ("[budget]\nper_minute = 1", "budget.per_minute"),
        ("[budget]\nper_day = 999", "budget.per_day"),
        ('[budget]\nmedia_bandwidth = "0B"', "budget.media_bandwidth"),
        ('[budget]\nmedia_bandwidth = "5 XB"', "budget.media_bandwidth"),
        ("[budget]\nmedia_bandwidth = 5000", "budget.media_bandwidth"),
        ("budget = 3", "budget"),
        ("[[budget]]\nper_second = 1", "budget"),
        ('[mirror]\ncontent = ["articles"]', "mirror.content"),
        ('[mirror]\ncontent = ["documents", "folders"]', "mirror.content"),
        ('[mirror]\ncontent = ["profile"]', "mirror.content"),
        ("[mirror]\nvisibility = []", "mirror.visibility"),
        ("[mirror]\nvisibility = [4]", "mirror.visibility"),
        ('[mirror]\nmedia = ["photos"]', "mirror.media"),
        ('[mirror]\nlicenses = ["cc-by-xx"]', "mirror.licenses"),
        ("[mirror]\nlicenses = [2]", "mirror.licenses"),
        ("[mirror]\nlicenses = [true]", "mirror.licenses"),
        ("[mirror]\nlicenses = []", "mirror.licenses"),
        ('[mirror]\nrenditions = ["240", "500"]', "mirror.renditions"),
        ('[mirror]\nrenditions = ["../../etc"]', "mirror.renditions"),
        ('[mirror]\ndetails = "yes"', "mirror.details"),
        ('[[agreements]]\nowner = 1\nreference = "r"\nuntil = 2027-13-01', ""),
        ('[[agreements]]\nowner = 1\nreference = "r"\nuntil = "soon"', "agreements[0].until"),
        ('[[agreements]]\nowner = 1\nreference = "r"\nuntil = 2027-01-01T00:00:00', "agreements[0].until"),
        ('[[agreements]]\nowner = 0\nreference = "r"\nuntil = 2027-01-01', "agreements[0].owner"),
        ("[agreements]\nowner = 1", "agreements"),
        ('[ttl]\nmedia = "0d"', "ttl.media"),
        ('[ttl]\nmedia = "99999999d"', "ttl.media"),
        ('[removal]\nwindow = "1d1h"', "removal.window"),
        ('[removal]\nwindow = "500ms"', "removal.window"),
        ('[removal]\nunverified = "keep"', "removal.unverified"),
        ('[removal]\nunverified = "seal"\nseal_max = "1h"', "removal.seal_max"),
        ('[removal]\nseal_max = "31d"', "removal.seal_max"),
        ("[removal]\ntripwire_share = 0", "removal.tripwire_share"),
        ("[removal]\ntripwire_share = nan", "removal.tripwire_share"),
        ("[removal]\ntripwire_count = 0", "removal.tripwire_count"),
        ('[removal]\noutage = "20h"', "removal.outage"),
        ('[database]\nurl = "sqlite://"', "database.url"),
        ('[database]\nurl = "sqlite:///:memory:"', "database.url"),
        ('[database]\nurl = "postgresql://u:p@h/d"', "database.url"),
        ('[store]\nurl = "s3://bucket"', "store.url"),
        ('[store]\nurl = "file:"', "store.url"),
        ('[store]\nurl = "file:/"', "store.url"),
        ('[store]\nurl = "file:."', "store.url"),
        ('[web]\nlisten = "8480"', "web.listen"),
        ('[web]\nlisten = "myhost:8480"', "web.listen"),
        ('[web]\nlisten = "127.0.0.1:70000"', "web.listen"),
        ('[web]\nlisten = "0.0.0.0:8480"', "web.public_url"),
        ('[web]\nlisten = "0.0.0.0:8480"\npublic_url = "http://127.0.0.1/"', "web.public_url"),
        ('[web]\npublic_url = "http://wall.example.org"', "web.public_url"),
        ('[web]\nfront_servers = "172.18.0.1"', "web.front_servers"),
        ('[web]\nfront_servers = ["front.example.org"]', "web.front_servers"),
        ('[web]\nfront_servers = ["172.18.0.1/16"]', "web.front_servers"),
        ('[web]\nfront_servers = ["0.0.0.0/0"]', "web.front_servers"),
        ('[log]\nlevel = "INFO"', "log.level"),
        ('[log]\nformat = "text"', "log.format"),
        ('[secrets]\napi_key_file = ""', "secrets.api_key_file"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, more: str, key: str) -> None:
    operator = f"{more}\n{OPERATOR}" if more.startswith("budget =") else OPERATOR
    errors = errors_of(tmp_path, "" if operator != OPERATOR else more, operator=operator)

    assert key in errors
    assert errors[key].reason
    assert errors[key].remedy


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[operator\n", "is not TOML"),
        (b'[operator]\na = 1\n[operator]\nb = "x"\n', "is not TOML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "is not TOML"),
        (b"#" * (1024 * 1024 + 1), "is not a configuration file"),
    ],
)
def test_what_is_no_toml_is_one_problem(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "ipsync.toml"
    file.write_bytes(content)

    [problem] = check(file, SECRETS)

    assert problem.reason.startswith(reason)
    assert problem.remedy


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    [missing] = check(tmp_path / "none.toml", SECRETS)
    [folder] = check(tmp_path, SECRETS)

    assert "ipsync init" in missing.remedy
    assert "is not a configuration file" in folder.reason


def test_an_empty_file_names_what_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "ipsync.toml"
    file.write_text("")

    assert [problem.key for problem in check(file, SECRETS)] == ["operator", "key"]


def test_every_setting_refuses_a_value_of_the_wrong_kind(tmp_path: Path) -> None:
    """Whatever the setting, a table instead of its value is one problem of ours, never a crash."""
    for name, kind in SECTIONS.items():
        head = f"[[{name}]]" if name == "agreements" else f"[{name}]"
        for key in kind.model_fields:
            table = f"{head}\n{key} = {{ x = 1 }}\n"
            parts: dict[str, str] = {name: table} if name in ("operator", "key") else {"more": table}
            errors = errors_of(tmp_path, **parts)
            assert any(dotted.startswith(name) and dotted.endswith(key) for dotted in errors), (name, key)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.sampled_from(["any", "24h", "0s", "5MB", "https://[", "file:..", "sqlite:////", "127.0.0.1:0", "*.a.b"])
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(
    key=st.sampled_from(
        [f"{name}.{key}" for name, kind in SECTIONS.items() for key in kind.model_fields] + [*SECTIONS]
    ),
    value=_values,
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_written_is_a_problem_or_a_value_and_never_a_crash(tmp_path: Path, key: str, value: object) -> None:
    file = tmp_path / "ipsync.toml"
    if not file.exists():
        write_configuration(tmp_path)

    for problem in check(file, SECRETS, overrides={key: value}):
        assert problem.reason
        assert problem.remedy
        assert "\x1b" not in str(problem)


def test_T01_the_terms_must_be_accepted(tmp_path: Path) -> None:
    for line in ("", 'terms_accepted = ""', 'terms_accepted = "yes"', "terms_accepted = true"):
        operator = OPERATOR.replace('terms_accepted = "2017-11-28"', line)
        problem = errors_of(tmp_path, operator=operator)["operator.terms_accepted"]
        assert "terms" in problem.reason + problem.remedy
        assert "2017-11-28" in problem.remedy

    assert loaded(tmp_path, operator=OPERATOR.replace('"2017-11-28"', "2017-11-28")).operator.terms_accepted


@pytest.mark.parametrize("key", ["application", "purpose", "contact"])
def test_T02_identity_and_purpose_are_required(tmp_path: Path, key: str) -> None:
    kept = [line for line in OPERATOR.splitlines() if not line.startswith(key)]
    assert f"operator.{key}" in errors_of(tmp_path, operator="\n".join(kept))
    for wrong in ('""', '"   "', '"a\\nb"', '"a\\u202eb"', "7"):
        assert f"operator.{key}" in errors_of(tmp_path, operator="\n".join([*kept, f"{key} = {wrong}"]))


def test_T02_the_contact_reaches_somebody(tmp_path: Path) -> None:
    def contact(text: str) -> str:
        return OPERATOR.replace("tester@ipsync.test", text)

    assert "operator.contact" in errors_of(tmp_path, operator=contact("call me"))
    assert loaded(tmp_path, operator=contact("https://wall.museum/about")).warnings == ()
    [warning] = loaded(tmp_path, operator=contact("me@example.org")).warnings
    assert warning.key == "operator.contact"


def test_T02_the_user_agent_names_application_and_contact(tmp_path: Path) -> None:
    operator = OPERATOR.replace("Test wall", "Wänd (für alle)")

    agent = loaded(tmp_path, operator=operator).user_agent("0.1.0")

    assert agent == "Wand-fur-alle ipsync/0.1.0 (Tests ipsync; tester@ipsync.test)"


def test_T03_the_use_of_the_key_must_be_said(tmp_path: Path) -> None:
    assert "key.use" in errors_of(tmp_path, key="[key]\n")
    assert "key.use" in errors_of(tmp_path, key='[key]\nuse = "hobby"\n')


def test_T04_a_key_awaiting_validation_has_small_caps_on_this_machine(tmp_path: Path) -> None:
    key = KEY + 'status = "awaiting-validation"\n'

    settings = loaded(tmp_path, key=key)

    assert settings.is_testing
    assert settings.accounts_most == 5
    assert (settings.budget.per_hour, settings.budget.per_day) == (300, 2000)
    assert "budget.per_hour" not in settings.given
    more = '[budget]\nper_hour = 301\n[web]\nlisten = "0.0.0.0:80"\npublic_url = "https://wall.example.org"'
    assert set(errors_of(tmp_path, more, key=key)) == {"budget.per_hour", "web.listen", "web.public_url"}
    assert set(errors_of(tmp_path, "[budget]\nper_hour = 300", key=key)) == set()


def test_T07_a_commercial_key_leaves_out_what_forbids_commerce(tmp_path: Path) -> None:
    key = '[key]\nuse = "commercial"\n'

    assert loaded(tmp_path, key=key).permitted_view().licenses == {1, 5, 9, 255}
    assert "mirror.licenses" in errors_of(tmp_path, '[mirror]\nlicenses = ["cc-by", "cc-by-nc"]', key=key)

    agreement = '[[agreements]]\nowner = "12345"\nreference = "folder 7"\nuntil = 2027-01-01\n'
    view = loaded(tmp_path, '[mirror]\nlicenses = ["cc-by", "cc-by-nc"]\n' + agreement, key=key).permitted_view()
    assert view.licenses == {1, 3}
    assert (view.agreements[0].account_id, view.agreements[0].until) == (12345, 1798761600 * SECOND)
    assert loaded(tmp_path, agreement, key=key).permitted_view().licenses == set(LICENSES)


def test_T07_agreements_without_commerce_are_pointed_out(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, '[[agreements]]\nowner = 1\nreference = "r"\nuntil = "2027-01-01"').warnings

    assert warning.key == "agreements"


def test_T11_a_window_beyond_the_law_is_refused(tmp_path: Path) -> None:
    assert "24h" in errors_of(tmp_path, '[removal]\nwindow = "25h"')["removal.window"].remedy
    assert "24h" in errors_of(tmp_path, '[removal]\nwindow = "86400.001s"')["removal.window"].remedy
    assert loaded(tmp_path, '[removal]\nwindow = "86400s"').removal.window == DAY


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_text(" \n\t\n"),
        lambda path: path.write_bytes(b"\xff\xff"),
        lambda path: path.write_text("x" * 300_000),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_T16_a_privacy_policy_must_exist(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    file = write_configuration(tmp_path)
    spoil(tmp_path / "privacy-policy.md")

    [problem] = check(file, SECRETS)

    assert problem.key == "operator.privacy_policy"
    assert "ipsync init" in problem.remedy


@pytest.mark.parametrize("name", ["ipernity", "Ipernity", "  ipernity.com ", "www.ipernity.com"])
def test_T17_an_application_does_not_pose_as_ipernity(tmp_path: Path, name: str) -> None:
    assert "operator.application" in errors_of(tmp_path, operator=OPERATOR.replace("Test wall", name))


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[budget]\nper_minute = 500", "budget.per_minute"),
        ('[ttl]\nmedia = "1h"', "ttl.media"),
        ('[removal]\nunverified = "seal"', "removal.unverified"),
        ('[removal]\nwindow = "59s"\n[api]\ntimeout = "1s"', "removal.window"),
        ('[removal]\nwindow = "5m"', "api.timeout"),
        ('[mirror]\nvisibility = ["private"]\n[web]\npublic_url = "https://wall.museum"', "mirror.visibility"),
    ],
)
def test_what_is_odd_is_a_warning(tmp_path: Path, more: str, key: str) -> None:
    assert [(problem.key, problem.is_error) for problem in problems_of(tmp_path, more)] == [(key, False)]
    assert [warning.key for warning in loaded(tmp_path, more).warnings] == [key]


@pytest.mark.parametrize(
    ("budget", "key", "reason"),
    [
        ("per_minute = 500", "budget.per_minute", "is 500, which budget.per_second = 2 (its default) never lets"),
        ("per_second = 1\nper_minute = 90", "budget.per_minute", "is 90, which budget.per_second = 1 never lets"),
        ("per_day = 999", "budget.per_day", "is 999, less than budget.per_hour = 1000 (its default)"),
        (
            "per_second = 90\nper_minute = 2000",
            "budget.per_minute",
            "is 2000, more than budget.per_hour = 1000 (its d",
        ),
        ("per_hour = 30\nper_day = 8000000", "budget.per_day", "is 8000000, which budget.per_hour = 30 never lets"),
    ],
)
def test_a_default_that_is_in_the_way_is_called_one(tmp_path: Path, budget: str, key: str, reason: str) -> None:
    found = {problem.key: problem.reason for problem in problems_of(tmp_path, f"[budget]\n{budget}")}

    assert found[key].startswith(reason)


@pytest.mark.parametrize("status", ["active", "awaiting-validation"])
def test_a_default_that_is_out_of_reach_is_not_spoken_of(tmp_path: Path, status: str) -> None:
    key = f'[key]\nuse = "non-commercial"\nstatus = "{status}"\n'

    assert problems_of(tmp_path, "[budget]\nper_minute = 3", key=key) == []


def test_a_file_anybody_may_change_is_a_warning(tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    file.chmod(0o666)

    [warning] = load(file, SECRETS).warnings

    assert warning.remedy == f"chmod o-w {file}"


@pytest.mark.parametrize("url", ["file:.", "file:../conf", "file:.."])
def test_the_content_folder_holds_nothing_else(tmp_path: Path, url: str) -> None:
    """What ipsync does not know in its content folder is erased; the configuration must not lie there."""
    (tmp_path / "conf").mkdir()
    file = write_configuration(tmp_path / "conf", f'[store]\nurl = "{url}"')

    reasons = [problem.reason for problem in check(file, SECRETS) if problem.key == "store.url"]

    assert len(reasons) == 3
    assert any("database" in reason for reason in reasons)


def test_a_link_does_not_hide_that_the_content_folder_holds_the_database(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    more = f'[store]\nurl = "file:{tmp_path}/link"\n[database]\nurl = "sqlite:///{tmp_path}/real/ipsync.db"'

    assert "store.url" in errors_of(tmp_path, more)


def test_T13_what_is_mirrored_decides_what_members_are_asked_for(tmp_path: Path) -> None:
    words = '[mirror]\ncontent = ["documents", "albums", "folders", "articles", "profile"]'
    found = load(write_configuration(tmp_path, words), SECRETS)
    assert found.permissions == found.rules().permissions == {"doc": "read", "blog": "read", "profile": "read"}
    assert found.rules().essential == {"doc": "read"}
    assert found.rules().kinds == frozenset(EntryKind)
