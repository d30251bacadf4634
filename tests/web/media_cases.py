"""What RFC 9110 says of conditions and ranges (§13, §14), as a table: held against us, and a server in front."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Case:
    """One question for a file of `SIZE` bytes.

    Attributes:
        headers: `TAG` stands for the file's own entity tag.
        part: which bytes come back, both ends included; None for the whole file, or for none where the status says so.
        alone: only we can answer it so; a server in front has its own right answer.
    """

    name: str
    headers: Mapping[str, str]
    status: int
    part: tuple[int, int] | None = None
    method: str = "GET"
    alone: bool = field(default=False, kw_only=True)


SIZE = 10_000
LAST = SIZE - 1
_OTHER = '"0123456789abcdef0123456789abcdef"'
_DATE = "Sat, 21 Nov 2026 20:00:00 GMT"

CASES = (
    Case("nothing said", {}, 200),
    Case("the first byte", {"Range": "bytes=0-0"}, 206, (0, 0)),
    Case("a part in the middle", {"Range": "bytes=100-199"}, 206, (100, 199)),
    Case("from a byte on", {"Range": "bytes=9000-"}, 206, (9000, LAST)),
    Case("the last bytes", {"Range": "bytes=-10"}, 206, (SIZE - 10, LAST)),
    Case("more last bytes than there are", {"Range": f"bytes=-{SIZE * 2}"}, 206, (0, LAST), alone=True),
    Case("beyond the end", {"Range": f"bytes={LAST}-{SIZE * 2}"}, 206, (LAST, LAST)),
    Case("begins beyond the end", {"Range": f"bytes={SIZE}-"}, 416),
    Case("no last bytes", {"Range": "bytes=-0"}, 416),
    Case("several ranges", {"Range": "bytes=0-1,5-6"}, 200),
    Case("another unit", {"Range": "lines=0-1"}, 200),
    Case("no numbers", {"Range": "bytes=a-b"}, 200, alone=True),
    Case("ends before it begins", {"Range": "bytes=6-5"}, 200, alone=True),
    Case("If-Range with the tag", {"Range": "bytes=0-9", "If-Range": "TAG"}, 206, (0, 9)),
    Case("If-Range with another tag", {"Range": "bytes=0-9", "If-Range": _OTHER}, 200),
    Case("If-Range with a weak tag", {"Range": "bytes=0-9", "If-Range": "W/TAG"}, 200),
    Case("If-Range with a date", {"Range": "bytes=0-9", "If-Range": _DATE}, 200),
    Case("If-Range without Range", {"If-Range": "TAG"}, 200),
    Case("If-None-Match with the tag", {"If-None-Match": "TAG"}, 304),
    Case("If-None-Match with the weak tag", {"If-None-Match": "W/TAG"}, 304),
    Case("If-None-Match with a list", {"If-None-Match": f"{_OTHER}, TAG"}, 304),
    Case("If-None-Match with a star", {"If-None-Match": "*"}, 304),
    Case("If-None-Match with another tag", {"If-None-Match": _OTHER}, 200),
    Case("If-None-Match goes before Range", {"If-None-Match": "TAG", "Range": "bytes=0-9"}, 304),
    Case("If-None-Match goes before a bad Range", {"If-None-Match": "TAG", "Range": f"bytes={SIZE}-"}, 304),
    Case("If-None-Match with another tag, and Range", {"If-None-Match": _OTHER, "Range": "bytes=0-9"}, 206, (0, 9)),
    Case("If-Match with the tag", {"If-Match": "TAG"}, 200),
    Case("If-Match with a star", {"If-Match": "*"}, 200),
    Case("If-Match with another tag", {"If-Match": _OTHER}, 412),
    Case("If-Match with a weak tag", {"If-Match": "W/TAG"}, 412),
    Case("If-Match goes before If-None-Match", {"If-Match": _OTHER, "If-None-Match": "TAG"}, 412),
    Case("If-Match goes before Range", {"If-Match": _OTHER, "Range": "bytes=0-9"}, 412),
    Case("dates are not ours", {"If-Modified-Since": _DATE, "If-Unmodified-Since": _DATE}, 200),
    Case("HEAD", {}, 200, method="HEAD"),
    Case("HEAD knows no Range", {"Range": "bytes=0-9"}, 200, method="HEAD", alone=True),
    Case("HEAD and If-None-Match", {"If-None-Match": "TAG"}, 304, method="HEAD"),
)
