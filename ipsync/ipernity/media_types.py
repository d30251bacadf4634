"""What a file is, by its own first bytes: never by its name, nor by what the host says (F33).

Nothing is decoded here, only looked at (F32). An error, be it a page, JSON or plain text, is never taken
for a photo, a video or a sound, nor an empty body or any other text.
"""

import codecs
import re
from collections.abc import Callable

from ipsync.policy.documents import MEDIA, ORIGINAL, Media

HEAD_BYTES = 1024
"""How many first bytes decide."""

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
"""Whatever reads as text and begins like no format we know: notes, JSON, XML, and most errors."""

_THUMBNAIL_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"SIMPLE  =", "image/fits"),
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
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
    (b"heim", "image/heic"),
    (b"heis", "image/heic"),
    (b"hevc", "image/heic"),
    (b"hevx", "image/heic"),
    (b"mif1", "image/heif"),
    (b"msf1", "image/heif"),
    (b"crx ", "image/x-canon-cr3"),
    (b"jxl ", "image/jxl"),
    (b"3g", "video/3gpp"),
)
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

_BLANKS = b" \t\r\n\f\v"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ASIDES = ((b"<!--", b"-->"), (b"<?", b"?>"))
_PAGE_TAG = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|style|link|iframe|h[1-6]|p|div|center|pre|br|table"
    rb"|a\s|error|response|rsp)\b",
    re.IGNORECASE,
)
_ERROR_MEMBER = re.compile(
    rb'^[{\[].{0,200}?"(?:errors?|error_?(?:code|message|description)|exception|fault|stat|status|message)"\s*:',
    re.IGNORECASE | re.DOTALL,
)
_ERROR_WORDS = re.compile(
    rb"(?:http/\d\S*\s+)?(?:[45]\d\d\b[\s:.-]*)?"
    rb"(?:(?<=\d)\s*$|(?:an? )?(?:(?:internal|unknown|upstream|fatal) )?(?:server |service )?error\b"
    rb"|access denied|bad (?:gateway|request)|(?:file |page )?not found|forbidden|gateway time-?out"
    rb"|no such (?:file|key)|permission denied|(?:service )?(?:temporarily )?unavailable"
    rb"|too many requests|unauthori[sz]ed)",
    re.IGNORECASE,
)
_TEXT_CONTROLS = frozenset(b"\b\t\n\v\f\r\x1b")

_ORIGINALS: dict[Media, tuple[str, ...]] = {
    # A raw photo of a maker we don't know is bytes without a type; a container may carry only sound.
    Media.PHOTO: ("image/", "application/pdf", "application/postscript", UNKNOWN),
    Media.VIDEO: ("video/", "audio/ogg", UNKNOWN),
    Media.AUDIO: ("audio/", "video/", UNKNOWN),
}
"""What an original may be, by the kind of its document. Of the kind `other` it may be anything but an error."""


def content_type_of(head: bytes) -> str:
    """Judge a file by its first bytes.

    Args:
        head: its first `HEAD_BYTES`, or all of it if it is shorter.

    Returns:
        A content type of our own list, or `TEXT`, or `UNKNOWN`.
    """
    for prefix, content_type in _PREFIXES:
        if head.startswith(prefix):
            return content_type
    for judge in _JUDGES:
        found = judge(head)
        if found is not None:
            return found
    return TEXT if _reads_as_text(head) else UNKNOWN


def looks_like_page(head: bytes) -> bool:
    """Whether the bytes begin like HTML, or like an error told in XML."""
    head = _plain(head)
    # By hand, not by one pattern: a hostile head would keep a pattern busy for hours.
    while aside := next((marks for marks in _ASIDES if head.startswith(marks[0])), None):
        _, closed, head = head.partition(aside[1])
        if not closed:
            return True  # nothing but comment as far as we can see: no file we know begins so
        head = head.lstrip(_BLANKS)
    return _PAGE_TAG.match(head) is not None


def looks_like_error(head: bytes) -> bool:
    """Whether these bytes are a whole short text that tells of an error, in JSON or in words.

    A text longer than `HEAD_BYTES` is taken for a document: services tell errors shortly.
    """
    if len(head) >= HEAD_BYTES:
        return False
    head = _plain(head)
    return (_ERROR_MEMBER.match(head) or _ERROR_WORDS.match(head)) is not None


def refusal(rendition: str, head: bytes, kind: Media | None = None) -> str | None:
    """Say why these bytes cannot be a file of this rendition; None means they can.

    A thumbnail must be an image that browsers show, `media` must be sound or moving pictures. An
    original is what its owner uploaded: of a photo, a video or a sound it is of that kind or bytes
    of an unknown type (cameras have raw formats of their own), never a text; of any other document
    it may be anything. Nothing is ever empty, a page or an error.

    Args:
        rendition: one of `RENDITIONS`.
        head: the first bytes, as for `content_type_of`.
        kind: of the document; None where nobody knows it.
    """
    if not head:
        return "the file is empty"
    content_type = content_type_of(head)
    if content_type in (TEXT, UNKNOWN) and looks_like_page(head):
        return "a page came instead of a file"
    if content_type == TEXT and looks_like_error(head):
        return "a text that tells of an error came instead of a file"
    if rendition == ORIGINAL:
        fitting = _ORIGINALS.get(kind) if kind is not None else None
        return None if fitting is None or content_type.startswith(fitting) else f"what came is no {kind}"
    if rendition == MEDIA:
        fits = content_type.startswith(("video/", "audio/"))
        return None if fits else "what came is neither sound nor video"
    return None if content_type in _THUMBNAIL_TYPES else "what came is no image"


def _plain(head: bytes) -> bytes:
    """A text without its byte order mark and leading blanks; of UTF-16 only the ASCII half."""
    if head.startswith(_UTF_16):
        head = head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS)


def _reads_as_text(head: bytes) -> bool:
    """Whether no byte is a control character that texts don't have, and nearly all are ASCII or proper UTF-8."""
    text = _plain(head)
    if not text:
        return bool(head)  # blanks only
    if any((byte < 32 and byte not in _TEXT_CONTROLS) or byte == 127 for byte in text):
        return False
    try:
        # Not final: the head may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return sum(byte < 128 for byte in text) >= 0.8 * len(text)  # an older encoding
    return True


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
    if head.startswith(_UTF_16) and not any(head[3::2]):
        return None  # ASCII in two bytes each, not Layer I
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:  # AAC in ADTS frames
        return "audio/aac" if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13 else None
    bit_rate, sampling = head[2] >> 4, head[2] >> 2 & 3
    return None if version == 1 or bit_rate in (0, 15) or sampling == 3 else "audio/mpeg"


_JUDGES: tuple[Callable[[bytes], str | None], ...] = (_riff, _boxes, _matroska, _ogg, _bitmap, _mpeg_audio)
