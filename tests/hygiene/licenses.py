"""Under which license each installed library is, from its own metadata, and which of them may be shipped with ours."""

import re
from importlib import metadata

# What may stand beside Apache-2.0 in one program without asking more of whoever passes it on than to keep the notices.
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0"}
)
# Changes to their own files must stay open; what only uses them is free. For tools, which nobody gets from us.
FOR_TOOLS = PERMISSIVE | {"MPL-2.0"}

_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Where the metadata says less than the license file that is installed beside it: (what it says, what the file says).
_FROM_THE_FILE = {
    "jinja2": ("BSD License", "BSD-3-Clause"),
    "uvloop": ("MIT", "MIT OR Apache-2.0"),
}


def license_of(name: str) -> str:
    """The license of an installed library as an SPDX expression.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
        LookupError: its metadata does not say it in words that are known here.
    """
    said = _said(name)
    before, after = _FROM_THE_FILE.get(name, ("", ""))
    if before and said == before:
        return after
    if not all(re.fullmatch(r"[\w.-]+", part) for part in re.split(" OR | AND ", said)):
        raise LookupError(f"{name}: its license is said to be {said!r}; tell tests/hygiene/licenses.py what that is")
    return said


def may_be(expression: str, licenses: frozenset[str]) -> bool:
    """Whether an SPDX expression (of OR over AND, as all of them are) can be met with these licenses alone."""
    return any(
        all(name.strip("() ") in licenses for name in alternative.split(" AND "))
        for alternative in expression.split(" OR ")
    )


def _said(name: str) -> str:
    data = metadata.metadata(name)
    fields = {key: value.strip() for key, value in data.items() if key in {"License-Expression", "License"}}
    classified = [
        line.rpartition(" :: ")[2] for line in data.get_all("Classifier", []) if line.startswith("License ::")
    ]
    for said in (fields.get("License-Expression"), fields.get("License"), *classified):
        if said and "\n" not in said:
            return _NAMES.get(said, said)
    return ""
