"""A small baseline JPEG encoder that draws landscapes out of 8x8 blocks of one brightness each.

Every block is coded by its mean alone, two to twelve bits, so that a picture of 2048 pixels takes a few
milliseconds. Each component has a scan of its own, which baseline JPEG allows. The token is a comment in front, where
every program that shows comments looks for it.
"""

import struct
from functools import lru_cache
from itertools import groupby

from ipsync.simulator.media.template import Template

SCENES = 16
"""How many different pictures there are of every size."""

_QUANTUM = 8  # times 1/8 for the mean of 64 samples: a coefficient is the block's brightness minus 128
_END_OF_BLOCK = "0"
_MEAN_UNCHANGED = "00"

# Blue and red difference of sky and ground, and the brightness of sky, hills and sun.
_SKIES = ((152, 112, 190), (120, 160, 170), (140, 124, 210), (108, 150, 205))
_GROUNDS = ((104, 116, 96), (110, 138, 120), (128, 128, 140), (96, 110, 80))


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def comment(text: bytes) -> bytes:
    """Return a COM segment that holds `text` (at most 65,533 bytes)."""
    return _segment(0xFE, text)


def _mean_code(difference: int) -> str:
    """Return the bits of a block whose mean differs by this much from the block before it."""
    if not difference:
        return _MEAN_UNCHANGED
    size = abs(difference).bit_length()
    bits = difference if difference > 0 else difference + (1 << size) - 1
    return f"{0b10000 + size - 1:05b}{bits:0{size}b}{_END_OF_BLOCK}"


def _scan(component: int, rows: list[bytes]) -> bytes:
    """Return the scan of one component from the mean values of its blocks, row by row."""
    bits: list[str] = []
    before = 128
    for row in rows:
        for value, run in groupby(row):
            bits.append(_mean_code(value - before))
            bits.append(_MEAN_UNCHANGED * (len(list(run)) - 1))
            before = value
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    return _segment(0xDA, bytes((1, component, 0, 0, 63, 0))) + coded


def _brightness(width: int, height: int, scene: int) -> list[bytes]:
    """Return the landscape: a sky that darkens upwards, a sun and two hills, in blocks."""
    columns, lines = -(-width // 8), -(-height // 8)
    sky = _SKIES[scene % 4][2]
    ground = _GROUNDS[scene // 4 % 4][2]
    sun_x, sun_y, radius = columns * (3 + scene % 5) // 10, lines // 4, max(1, min(columns, lines) // 8)
    hills = ((columns * (1 + scene % 3) // 5, lines * 2 // 5, ground), (columns * 3 // 4, lines // 2, ground - 30))
    rows = []
    for line in range(lines):
        row = bytearray([sky - 50 + 50 * line // lines]) * columns
        half = radius * radius - (line - sun_y) * (line - sun_y)
        if half > 0:
            _paint(row, sun_x - int(half**0.5), sun_x + int(half**0.5) + 1, 250)
        for peak_x, peak_y, shade in hills:
            if line >= peak_y:
                _paint(row, peak_x - 2 * (line - peak_y), peak_x + 2 * (line - peak_y) + 1, shade)
        rows.append(bytes(row))
    return rows


def _paint(row: bytearray, start: int, stop: int, value: int) -> None:
    start, stop = max(0, start), min(len(row), stop)
    if start < stop:
        row[start:stop] = bytes([value]) * (stop - start)


def _color(width: int, height: int, sky: int, ground: int) -> list[bytes]:
    """Return one color component (half as fine as the brightness): sky above, ground below."""
    columns, lines = -(-((width + 1) // 2) // 8), -(-((height + 1) // 2) // 8)
    horizon = lines * 3 // 5
    return [bytes([sky if line < horizon else ground]) * columns for line in range(lines)]


_START = b"\xff\xd8" + _segment(0xE0, b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00")
_TABLES = (
    _segment(0xDB, b"\x00" + bytes([_QUANTUM]) * 64)
    # Means: category 0 in one bit, 1 to 11 in five. The rest of a block: nothing but its end, in one bit.
    + _segment(0xC4, b"\x00" + bytes((1, 0, 0, 0, 11, *[0] * 11)) + bytes(range(12)))
    + _segment(0xC4, b"\x10" + bytes((1, *[0] * 15)) + b"\x00")
)
_END = b"\xff\xd9"


@lru_cache(maxsize=1024)
def picture(width: int, height: int, scene: int) -> Template:
    """Return the template of a picture.

    Args:
        width: in pixels, 1 to 65,535.
        height: in pixels, 1 to 65,535.
        scene: which of the `SCENES` landscapes.
    """
    sky_blue, sky_red, _ = _SKIES[scene % 4]
    ground_blue, ground_red, _ = _GROUNDS[scene // 4 % 4]
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x22\x00\x02\x11\x00\x03\x11\x00"
    tail = (
        _TABLES
        + _segment(0xC0, frame)
        + _scan(1, _brightness(width, height, scene))
        + _scan(2, _color(width, height, sky_blue, ground_blue))
        + _scan(3, _color(width, height, sky_red, ground_red))
        + _END
    )
    return Template(_START, tail, comment)
