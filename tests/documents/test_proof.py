"""The reference of findings is the list in the code."""

import re

from ipsync.policy.auditing import Kind
from tests.documents.reading import read


def test_every_kind_of_finding_is_told_as_it_is() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (breach|evidence|damage) \| ([^|]+?) \| ", read("docs/reference/proof.md"), re.MULTILINE
    )

    assert rows == [(kind.value, kind.severity.value, kind.meaning) for kind in Kind]
