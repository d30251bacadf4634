"""A short silent film as an MP4 file: a few JPEG frames; the token stands in a `free` box at the end."""

import struct
from functools import lru_cache

from ipsync.simulator.media import jpeg
from ipsync.simulator.media.template import Template

WIDTH, HEIGHT = 320, 240
SECONDS = 2
_FRAMES = 4
_TICKS_PER_SECOND = 1_000
_TICKS_PER_FRAME = SECONDS * _TICKS_PER_SECOND // _FRAMES
_DURATION = SECONDS * _TICKS_PER_SECOND
_UPRIGHT = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG_OBJECT = 0x6C  # "Visual ISO/IEC 10918-1", the registered object type of JPEG in MPEG-4 systems


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, flags: int, *content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", flags), *content)


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _sample_description() -> bytes:
    decoder = struct.pack(">BBBHII", _JPEG_OBJECT, 0x11, 0, 0, 0, 0)
    stream = _descriptor(3, b"\0\x01\0" + _descriptor(4, decoder) + _descriptor(6, b"\x02"))
    entry = _box(
        b"mp4v",
        struct.pack(">6xH16xHHIIIH32sHh", 1, WIDTH, HEIGHT, 0x480000, 0x480000, 0, 1, b"", 24, -1),
        _full(b"esds", 0, stream),
    )
    return _full(b"stsd", 0, struct.pack(">I", 1), entry)


def _movie_box(sizes: list[int], first_byte: int) -> bytes:
    """Return the `moov` box of frames of these sizes that begin at `first_byte` of the file."""
    table = _box(
        b"stbl",
        _sample_description(),
        _full(b"stts", 0, struct.pack(">III", 1, len(sizes), _TICKS_PER_FRAME)),
        _full(b"stsc", 0, struct.pack(">IIII", 1, 1, len(sizes), 1)),
        _full(b"stsz", 0, struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes)),
        _full(b"stco", 0, struct.pack(">II", 1, first_byte)),
    )
    reference = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, _TICKS_PER_SECOND, _DURATION, 0x55C4, 0)),
        _full(b"hdlr", 0, struct.pack(">I4s12x", 0, b"vide"), b"frames\0"),
        _box(b"minf", _full(b"vmhd", 1, bytes(8)), reference, table),
    )
    track_header = _full(
        b"tkhd",
        3,
        struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, _DURATION, 0, 0, 0, 0),
        _UPRIGHT,
        struct.pack(">II", WIDTH << 16, HEIGHT << 16),
    )
    movie_header = _full(
        b"mvhd",
        0,
        struct.pack(">IIIIIH10x", 0, 0, _TICKS_PER_SECOND, _DURATION, 0x10000, 0x100),
        _UPRIGHT,
        struct.pack(">24xI", 2),
    )
    return _box(b"moov", movie_header, _box(b"trak", track_header, media))


def _comment(token: bytes) -> bytes:
    return _box(b"free", token)


@lru_cache(maxsize=jpeg.SCENES)
def film(scene: int) -> Template:
    """Return the template of a film of two seconds, 320x240, that begins with landscape `scene`."""
    frames = [jpeg.picture(WIDTH, HEIGHT, (scene + shift) % jpeg.SCENES).content("") for shift in range(_FRAMES)]
    sizes = [len(frame) for frame in frames]
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isommp42")
    moov_size = len(_movie_box(sizes, 0))
    moov = _movie_box(sizes, len(kind) + moov_size + 8)
    return Template(kind + moov + _box(b"mdat", *frames), b"", _comment)
