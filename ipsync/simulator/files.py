"""The documents' files by their addresses: names that hold a secret, and end when the document's privacy changes."""

import re
from typing import NamedTuple

from ipsync.simulator.documents import ORIGINAL, THUMBS, Document, thumb_content
from ipsync.simulator.media import jpeg
from ipsync.simulator.media.recognize import content_type
from ipsync.simulator.state import State

_PATH = re.compile(r"/media/([0-9]{3})/(([0-9]{1,15})\.([0-9a-f]{8})\.([0-9a-z]{1,8})\.([0-9a-z]{1,5}))", re.ASCII)
_ICON = re.compile(r"/media/icon/([0-9]{1,9})\.jpg", re.ASCII)
_ICON_SIDE = 60


class File(NamedTuple):
    """A file as it is served; `name` is the last part of its address."""

    name: str
    content: bytes
    content_type: str


def _content(document: Document, secret: str, label: str, extension: str) -> bytes | None:
    """Return the file of this name, or None if the document has none of it (any more)."""
    own = document.original.extension
    if label == "original":
        return document.original.content() if (secret, extension) == (document.secret(ORIGINAL), own) else None
    if secret != document.secret(THUMBS):
        return None
    if label == extension == own and document.kind in ("video", "audio"):
        return document.original.content()
    return thumb_content(document, label) if extension == "jpg" else None


def find(state: State, path: str) -> File | None:
    """Return the file at a path such as `/media/926/394926.e831d113.75x.jpg`, or None."""
    if icon := _ICON.fullmatch(path):
        member = state.member(int(icon[1]))
        if member is None:
            return None
        scene = member.index % jpeg.SCENES
        return File(f"{member.user_id}.jpg", jpeg.picture(_ICON_SIDE, _ICON_SIDE, scene).content(""), "image/jpeg")
    parts = _PATH.fullmatch(path)
    if parts is None:
        return None
    folder, name, number, secret, label, extension = parts.groups()
    document = state.library.get(int(number))
    if document is None or document.owner.closed or int(number) % 1000 != int(folder):
        return None
    content = _content(document, secret, label, extension)
    return None if content is None else File(name, content, content_type(extension))
