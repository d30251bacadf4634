"""Every `ipsync …` that a document tells the reader to type, or names, exists, with these options."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ipsync.cli import COMMANDS
from ipsync.cli.frame import load_command
from tests.documents.reading import code_blocks, documents, name_of, without_code

_ENTRIES = {entry.name: entry for entry in COMMANDS}
_GLOBAL = {"--version", "--help", "--config"}


def _typed(path: Path) -> list[list[str]]:
    """The arguments of each `ipsync` command line in a document's shell blocks."""
    lines = []
    for block in code_blocks(path.read_text(encoding="utf-8"), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            places = [at for at, word in enumerate(words) if word == "ipsync" or word.endswith("/bin/ipsync")]
            # What is neither first nor after && is an argument of another program.
            places = [at for at in places if at == 0 or words[at - 1] == "&&"]
            for at in places:
                rest = words[at + 1 :]
                lines.append(rest[: rest.index("&&")] if "&&" in rest else rest)
    return lines


def _named(path: Path) -> list[list[str]]:
    """The arguments of each `ipsync` command line that stands in a document's sentences."""
    spans = re.findall(r"`ipsync ([^`]+)`", without_code(path.read_text(encoding="utf-8")))
    return [shlex.split(span.replace("\n", " ")) for span in spans]


def _unknown(words: list[str]) -> str | None:
    """What of a command line does not exist; None when all of it does."""
    if not words or words[0] in _GLOBAL:
        return None
    if words[0] not in _ENTRIES:
        return words[0]
    command: Any = load_command(_ENTRIES[words[0]])
    rest = words[1:]
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return " ".join(words)
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in parameter.opts} | _GLOBAL
    return next((word for word in rest if word.startswith("--") and word.partition("=")[0] not in known), None)


DOCUMENTS = [path for path in documents() if _typed(path)]


def test_documents_tell_what_to_type() -> None:
    assert {"README.md", "docs/how-to/install.md", "docs/tutorial/first-mirror.md"} <= set(map(name_of, DOCUMENTS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_what_is_typed_exists(path: Path) -> None:
    assert [" ".join(words) for words in _typed(path) if _unknown(words) is not None] == []


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_what_is_named_in_a_sentence_exists(path: Path) -> None:
    if name_of(path) == "CHANGELOG.md":
        return  # it tells how things were called in their time, several at once
    apart = {"COMMAND --help", "ledger head 1"}  # a placeholder; the first line of the ledger's signed head
    named = [words for words in _named(path) if " ".join(words) not in apart]
    assert [" ".join(words) for words in named if _unknown(words) is not None] == []


def test_an_option_that_is_not_there_is_found() -> None:
    assert _unknown(["plan", "--what-if", "budget=2000/h"]) is None
    assert _unknown(["plan", "--what-of", "budget=2000/h"]) == "--what-of"
    assert _unknown(["ledger", "forge"]) == "ledger forge"
