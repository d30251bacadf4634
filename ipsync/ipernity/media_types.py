"""What a file is, by its own first bytes: never by its name, nor by what the host says (F33).

Nothing is decoded here, only looked at (F32). An error page, an empty body or a text is never taken
for a photo, a video or a sound.
"""

import re
from collections.abc import Callable

from ipsync.policy.documents import MEDIA, ORIGINAL

HEAD_BYTES = 1024
"""How many first bytes decide."""

UNKNOWN = "application/octet-stream"

_THUMBNAIL_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"FLV\x01", "video/x-flv"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"MThd", "audio/midi"),
    (b"#!AMR", "audio/amr"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel", "video/x-ms-asf"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
)
_FORMS = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_AIFF_FORMS = (b"AIFF", b"AIFC")
_BRANDS: tuple[tuple[bytes, str], ...] = (
    (b"qt  ", "video/quicktime"),
    (b"M4A ", "audio/mp4"),
    (b"M4B ", "audio/mp4"),
    (b"avif", "image/avif"),
    (b"avis", "image/avif"),
    (b"heic", "image/heic"),
    (b"heix", "image/heic"),
    (b"mif1", "image/heif"),
    (b"msf1", "image/heif"),
    (b"3g", "video/3gpp"),
)
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

_BLANKS = b" \t\r\n\f\v"
_ASIDES = ((b"<!--", b"-->"), (b"<?", b"?>"))
_PAGE_TAG = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|style|link|iframe|h[1-6]|p|div|center|pre|br|table"
    rb"|a\s|error|response|rsp)\b",
    re.IGNORECASE,
)


def content_type_of(head: bytes) -> str:
    """Judge a file by its first bytes.

    Args:
        head: its first `HEAD_BYTES`, or all of it if it is shorter.

    Returns:
        A content type of our own list, or `UNKNOWN`.
    """
    for prefix, content_type in _PREFIXES:
        if head.startswith(prefix):
            return content_type
    for judge in _JUDGES:
        found = judge(head)
        if found is not None:
            return found
    return UNKNOWN


def looks_like_page(head: bytes) -> bool:
    """Whether the bytes begin like HTML, or like an error told in XML."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16: only its ASCII half matters here
        head = head[2:].replace(b"\0", b"")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS)
    # By hand, not by one pattern: a hostile head would keep a pattern busy for hours.
    while aside := next((marks for marks in _ASIDES if head.startswith(marks[0])), None):
        _, closed, head = head.partition(aside[1])
        if not closed:
            return True  # nothing but comment as far as we can see: no file we know begins so
        head = head.lstrip(_BLANKS)
    return _PAGE_TAG.match(head) is not None


def refusal(rendition: str, head: bytes) -> str | None:
    """Say why these bytes cannot be a file of this rendition; None means they can.

    A thumbnail must be an image that browsers show, `media` must be sound or moving pictures, and an
    original may be anything its owner uploaded, but neither empty nor a page.

    Args:
        rendition: one of `RENDITIONS`.
        head: the first bytes, as for `content_type_of`.
    """
    if not head:
        return "the file is empty"
    content_type = content_type_of(head)
    if content_type == UNKNOWN and looks_like_page(head):
        return "a page came instead of a file"
    if rendition == ORIGINAL:
        return None
    if rendition == MEDIA:
        fits = content_type.startswith(("video/", "audio/"))
        return None if fits else "what came is neither sound nor video"
    return None if content_type in _THUMBNAIL_TYPES else "what came is no image"


def _riff(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return _FORMS.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in _AIFF_FORMS:
        return "audio/aiff"
    return None


def _boxes(head: bytes) -> str | None:
    """The family of MP4 and QuickTime: a length, then a four-letter name."""
    if len(head) < 12:
        return None
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return next((found for begin, found in _BRANDS if brand.startswith(begin)), "video/mp4")
    return "video/quicktime" if head[4:8] in _OLD_QUICKTIME else None


def _matroska(head: bytes) -> str | None:
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return None
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _ogg(head: bytes) -> str | None:
    if not head.startswith(b"OggS"):
        return None
    return "video/ogg" if b"theora" in head[:256] else "audio/ogg"


def _bitmap(head: bytes) -> str | None:
    # Two letters prove little: the header's reserved bytes must be zero and its size a known one.
    is_bitmap = head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[14:18] in _BITMAP_HEADERS
    return "image/bmp" if is_bitmap else None


_BITMAP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))


def _mpeg_audio(head: bytes) -> str | None:
    """A frame header: eleven set bits, then no reserved version, layer, bit rate or sampling rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:  # AAC in ADTS frames
        return "audio/aac" if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13 else None
    bit_rate, sampling = head[2] >> 4, head[2] >> 2 & 3
    return None if version == 1 or bit_rate in (0, 15) or sampling == 3 else "audio/mpeg"


_JUDGES: tuple[Callable[[bytes], str | None], ...] = (_riff, _boxes, _matroska, _ogg, _bitmap, _mpeg_audio)
