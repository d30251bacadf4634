"""What a document calls by its name in running text is there: settings, metrics, events, addresses, targets."""

import re
from collections.abc import Iterator

from ipsync.settings.reference import settings_reference
from ipsync.settings.sections import SECTIONS
from ipsync.telemetry import Event, Metrics
from ipsync.web.app import API
from tests.documents.reading import ROOT, code_blocks, documents, files, name_of, read, without_code

TEXTS = {name_of(path): path.read_text(encoding="utf-8") for path in documents()}
SETTINGS = {setting.dotted for setting in settings_reference()}
EVENTS = {event.value for event in Event}
METRICS = {f"{family.name}{end}" for family in Metrics().registry.collect() for end in ("", "_total", "_bucket")}
FILES = {path.name for path in files()}
MADE = {
    # What ipsync and its operator write, and what other programs read.
    *("ipsync.db", "ipsync.db-heads", "ipsync.tombstones", "ipsync.toml", "ipsync.notify", "ledger.jsonl"),
    *("compose.yml", "nginx.conf", "prometheus.yml"),
}
NOT_OURS = {"re.compile", "changes.missed"}
"""Of Python; a type of message, see docs/reference/http.md."""

NETWORKS = {"ipsync_default"}
"""What podman-compose calls the network of the containers."""

_SPAN = re.compile(r"`([^`\n]+)`")
_DOTTED = re.compile(r"([a-z_]+\.[a-zA-Z_-]+\*?)(?: = .+)?")
_SECTIONED = re.compile(r"\[(\w+)\](?: ([a-z_]+)\b.*)?")
_FOLDERS = ("/etc", "/var", "/usr", "/opt", "/tmp", "/mnt", "/srv", "/consoles", "/_content", "/_control")
_PLACE = r"(?:127\.0\.0\.1:8480|localhost:8480|mirror\.example\.org|\$URL)"


def _spans() -> Iterator[tuple[str, str]]:
    """Each document's name with each of its words in backticks."""
    for name, text in TEXTS.items():
        yield from ((name, span) for span in _SPAN.findall(without_code(text)))


def _methods() -> set[str]:
    """The methods of ipernity's API that the client or the simulator knows."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "ipsync" / "ipernity").rglob("*.py")]
    return set(re.findall(r'"([a-z]+\.[a-zA-Z.]+)"', "".join(sources)))


METHODS = _methods()


def _is_known(word: str) -> bool:
    if word.endswith("*"):
        return any(known.startswith(word[:-1]) for known in SETTINGS | EVENTS | MADE)
    return word in SETTINGS | EVENTS | METHODS | FILES | MADE | NOT_OURS


def test_dotted_words_are_settings_events_methods_or_files() -> None:
    named = [(name, found[1]) for name, span in _spans() if (found := _DOTTED.fullmatch(span))]
    assert [(name, word) for name, word in named if not _is_known(word)] == []


def test_every_setting_that_is_named_under_its_section_exists() -> None:
    named = [(name, *found.groups()) for name, span in _spans() if (found := _SECTIONED.fullmatch(span))]
    for name, text in TEXTS.items():
        for block in code_blocks(text, "toml"):
            named += [(name, section, key) for section, key in _keys(block)]
    assert [
        (name, section, key)
        for name, section, key in named
        if section not in SECTIONS or (key is not None and f"{section}.{key}" not in SETTINGS)
    ] == [("docs/adr/0010-a-ledger-without-ids.md", "ledger", None)]  # it says which section there is not


def _keys(block: str) -> Iterator[tuple[str, str | None]]:
    section = ""
    for line in block.splitlines():
        if found := re.match(r"#?\[+(\w+)\]+", line.strip()):
            section = found[1]
            yield section, None
        elif found := re.match(r"#?(\w+) *=", line.strip()):
            yield section, found[1]


def test_every_metric_that_is_named_is_delivered() -> None:
    named = {(name, word) for name, text in TEXTS.items() for word in re.findall(r"\bipsync_[a-z_0-9]+", text)}
    assert {(name, word) for name, word in named if word not in METRICS | NETWORKS} == set()


def test_every_event_that_is_searched_for_is_written() -> None:
    pattern = re.compile(r"grep (?:-[ec] )*'?\"?([a-z]+\.[a-z-]*)")
    searched = [(name, word) for name, text in TEXTS.items() for word in pattern.findall(text)]
    assert searched
    assert [word for word in searched if not any(event.startswith(word[1]) for event in EVENTS)] == []


def _addresses(text: str) -> Iterator[str]:
    for span in _SPAN.findall(text):
        if found := re.fullmatch(r"(?:(?:GET|POST) )?(/[\w{}./-]*)(?:\?\S*)?", span):
            yield found[1]
    yield from re.findall(rf"{_PLACE}(/[\w/{{}}.-]*)", text)


def _routes() -> list[re.Pattern[str]]:
    """The addresses as they are declared, each placeholder standing for anything."""
    declared = {"/static/style.css", *(endpoint.path for endpoint in API)}
    for path in (ROOT / "ipsync" / "web").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        declared |= set(re.findall(r'(?:web\.(?:get|post)\(|CALLBACK = |ENDED = )\s*r?"(/[^"]*)"', source))
    return [re.compile(re.sub(r"\{[^/]*\}", "[^/]+", address)) for address in declared]


ROUTES = _routes()


def _is_served(address: str) -> bool:
    return any(route.fullmatch(address) or route.pattern.startswith(f"{address}/") for route in ROUTES)


def test_every_address_of_ours_that_is_named_is_served() -> None:
    named = {(name, address) for name, text in TEXTS.items() for address in _addresses(text)}
    assert [
        (name, address)
        for name, address in sorted(named)
        if not address.startswith(_FOLDERS) and not _is_served(address)
    ] == []


def test_every_target_that_is_named_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = [(name, span.split()[1]) for name, span in _spans() if re.match(r"make [a-z]", span)]
    for name, text in TEXTS.items():
        for block in code_blocks(text, "sh"):
            named += [(name, target) for target in re.findall(r"^make ([a-z]+)", block, re.MULTILINE)]
    assert named
    assert [(name, target) for name, target in named if target not in targets] == []
    parts = set(
        re.findall(r'^ +"(\w+)": ', read("tests/ops/__main__.py") + read("benchmarks/__main__.py"), re.MULTILINE)
    )
    asked = [(name, part) for name, text in TEXTS.items() for part in re.findall(r"make \w+ PARTS=(\w+)", text)]
    assert asked
    assert [(name, part) for name, part in asked if part not in parts] == []


def test_something_is_named_everywhere() -> None:
    """Else the tests above would read nothing and find nothing."""
    spans = {span for _, span in _spans()}
    assert len({span for span in spans if span.partition(" ")[0] in SETTINGS}) > 10
    assert len(spans & EVENTS) > 10
    assert len(spans & METHODS) > 4
    assert len({address for text in TEXTS.values() for address in _addresses(text) if _is_served(address)}) > 30
    for unknown in ("removal.windows", "doc.steal", "audit.fund"):
        assert not _is_known(unknown)
    assert not _is_served("/v1/document")
