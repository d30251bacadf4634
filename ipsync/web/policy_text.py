"""The operator's privacy policy, read as text and shown as text: a small subset of Markdown, nothing more (F33).

Headings (`#`), paragraphs, lists (`-`, `*`, `1.`), **strong** words and [links](https://…). No HTML is
made here: the result is plain values, and the template escapes every one of them.
"""

import re
from dataclasses import dataclass, field

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_BULLET = re.compile(r"\s{0,3}[-*+]\s+(.*)")
_NUMBER = re.compile(r"\s{0,3}\d{1,3}[.)]\s+(.*)")
_SPAN = re.compile(r"\[(?P<text>[^\[\]]+)\]\((?P<link>[^()\s]+)\)|\*\*(?P<strong>[^*]+)\*\*|<(?P<bare>[^<>\s]+)>")
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\"'<>\\^`{|}\x00-\x20]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text: plain, strong, or a link."""

    text: str
    link: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the text.

    Attributes:
        kind: `heading`, `paragraph`, `bullets` or `numbers`.
        items: the entries of a list; one for anything else.
        level: of a heading, 1 is the highest.
    """

    kind: str
    items: list[list[Span]] = field(default_factory=list)
    level: int = 0


def read_policy(text: str) -> list[Block]:
    """Read the operator's text into blocks."""
    blocks: list[Block] = []
    # Each open entry gathers its lines until something else begins.
    lines: list[str] = []
    kind = ""

    def close() -> None:
        if lines:
            spans = read_spans(" ".join(lines))
            if kind != "paragraph" and blocks and blocks[-1].kind == kind:
                blocks[-1].items.append(spans)
            else:
                blocks.append(Block(kind, [spans]))
        lines.clear()

    for line in [*text.splitlines(), ""]:
        if not line.strip():
            close()
            kind = ""
        elif heading := _HEADING.fullmatch(line.strip()):
            close()
            blocks.append(Block("heading", [read_spans(heading[2])], len(heading[1])))
            kind = ""
        elif item := _BULLET.fullmatch(line) or _NUMBER.fullmatch(line):
            close()
            kind = "bullets" if _BULLET.fullmatch(line) else "numbers"
            lines.append(item[1].strip())
        else:
            kind = kind or "paragraph"
            lines.append(line.strip())
    return blocks


def read_spans(text: str) -> list[Span]:
    """Read one paragraph into spans. A link that leads anywhere but to a page or an address stays text."""
    spans: list[Span] = []
    rest = 0
    for match in _SPAN.finditer(text):
        target = match["link"] or match["bare"]
        if target and not _LINK.fullmatch(target):
            continue
        if match.start() > rest:
            spans.append(Span(text[rest : match.start()]))
        if match["strong"]:
            spans.append(Span(match["strong"], strong=True))
        else:
            spans.append(Span(match["text"] or target.removeprefix("mailto:"), link=target))
        rest = match.end()
    if rest < len(text):
        spans.append(Span(text[rest:]))
    return spans
