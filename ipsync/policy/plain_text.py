"""Members' HTML is hostile: only its plain words are ever kept, and which documents it shows, by our own numbers.

One pass from left to right, without a parser that a crafted text could slow down. No tag, attribute, address or
script gets through, whatever the text claims to be; what looks cut off is dropped. Nothing here decides what is shown.
"""

import html
import re

LONGEST_TEXT = 200_000
"""Characters of an article, or of a description, that are kept."""

_LONGEST_SOURCE = 400_000
_MOST_DOCUMENTS = 200
_SWALLOWED = ("script", "style", "iframe", "object", "embed", "template", "noscript", "svg", "math", "head", "title")
"""Elements whose whole content is no text of the article."""
_BREAKING = {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure"}
_BREAKING |= {"footer", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul"}
_BREAKING |= {f"h{level}" for level in range(1, 7)}
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_NAME = re.compile(r"/?([a-z][a-z0-9]{0,15})", re.ASCII)
_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,};?")
# Controls but the line break, and what turns the direction of the text around it.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_BLANKS = re.compile(r"[^\S\n]+")
_EDGES = re.compile(r" ?\n ?")
_BREAKS = re.compile(r"\n{2,}")
_DOCUMENT = re.compile(r"/doc/[0-9A-Za-z._-]{1,40}/([1-9][0-9]{0,17})(?![0-9])", re.ASCII)


def plain_text(source: str) -> str:
    """The words of an HTML text, without anything that a browser would act on.

    Args:
        source: as the member wrote it; what exceeds 400,000 characters is not looked at.

    Returns:
        At most `LONGEST_TEXT` characters; paragraphs are apart by one empty line.
    """
    words = _OVERLONG_REFERENCE.sub("", _without_tags(source[:_LONGEST_SOURCE]))
    text = _UNSEEN.sub(" ", html.unescape(words).replace("\r", "\n"))
    text = _BREAKS.sub("\n\n", _EDGES.sub("\n", _BLANKS.sub(" ", text))).strip()
    # Half of a pair is no character, and can be written nowhere.
    return text.encode("utf-8", "ignore").decode()[:LONGEST_TEXT]


def shown_documents(source: str) -> tuple[int, ...]:
    """The numbers of documents whose pages an HTML text names, each once, in their order; 200 at most.

    Numbers only: whether one of them is mirrored, and may be shown, is asked when it is to be shown.
    """
    found = dict.fromkeys(int(match[1]) for match in _DOCUMENT.finditer(source[:_LONGEST_SOURCE]))
    return tuple(found)[:_MOST_DOCUMENTS]


def _without_tags(source: str) -> str:
    lowered = source.lower()
    if len(lowered) != len(source):  # a letter that is two letters when small: places must agree
        source = lowered
    kept: list[str] = []
    place = 0
    while (tag := _TAG.search(source, place)) is not None:
        begin = tag.start()
        kept.append(source[place:begin])
        if source.startswith("<!--", begin):
            end = source.find("-->", begin + 4)
            place = end + 3
        else:
            end = source.find(">", begin)
            place = end + 1
            found = _NAME.match(lowered, begin + 1)
            name = found[1] if found else ""
            if name in _BREAKING:
                kept.append("\n")
            elif end >= 0 and name in _SWALLOWED and source[begin + 1] != "/":
                place = end = lowered.find(f"</{name}", place)
        if end < 0:
            return "".join(kept)  # it is cut off: nothing behind it is told
    kept.append(source[place:])
    return "".join(kept)
