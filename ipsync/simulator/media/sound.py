"""A short tone as a WAV file; the token stands in its `ICMT` comment, at the end."""

import math
import struct
from functools import lru_cache

from ipsync.simulator.media.template import TOKEN_LENGTH, Template

RATE = 8_000
SECONDS = 1


def _comment(token: bytes) -> bytes:
    text = token + b"\0" * (2 - len(token) % 2)
    entry = b"INFOICMT" + struct.pack("<I", len(text)) + text
    return b"LIST" + struct.pack("<I", len(entry)) + entry


@lru_cache(maxsize=16)
def tone(scene: int) -> Template:
    """Return the template of a sound of one second, 8 bits, mono; `scene` (0 to 15) sets its pitch."""
    pitch = 220 * 2 ** (scene / 12)
    samples = bytes(int(128 + 90 * math.sin(2 * math.pi * pitch * i / RATE)) for i in range(RATE * SECONDS))
    layout = struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", len(samples)) + samples
    size = len(body) + len(_comment(b"0" * TOKEN_LENGTH))
    return Template(b"RIFF" + struct.pack("<I", size) + body, b"", _comment)
