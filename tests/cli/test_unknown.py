"""What nobody here has heard of: a failure (1) with a way on, whichever command is asked. Wrong usage (2) is else."""

import pytest

_ACCOUNTS = "`ipsync account list`"
_WEBHOOKS = "`ipsync webhook list`"
_REQUESTS = "`ipsync removal list`"


@pytest.mark.parametrize(
    ("words", "way_on"),
    [
        ("sync nobody", _ACCOUNTS),
        ("account show 99", _ACCOUNTS),
        ("documents list --account nobody", _ACCOUNTS),
        ("removal sweeps --account nobody", _ACCOUNTS),
        ("removal add --account nobody --yes", _ACCOUNTS),
        ("token create --name x --scope media --account nobody", _ACCOUNTS),
        ("token revoke nothing", "`ipsync token list`"),
        ("documents show 99", "`ipsync documents list`"),
        ("albums show 99", "`ipsync albums list`"),
        ("folders show 99", "`ipsync folders list`"),
        ("articles show 99", "`ipsync articles list`"),
        ("incidents show 99", "`ipsync incidents list --all`"),
        ("removal show 99", _REQUESTS),
        ("removal withdraw 99", _REQUESTS),
        ("removal grant 99", "ipsync removal queue"),
        ("removal decline 99", "ipsync removal queue"),
        ("webhook show 99", _WEBHOOKS),
        ("webhook remove 99", _WEBHOOKS),
        ("webhook test 99", _WEBHOOKS),
    ],
)
def test_what_is_unknown_here_is_a_failure_with_a_way_on(on, mirror, words, way_on):
    done = on(mirror, *words.split())

    assert (done.code, done.out) == (1, "")
    assert way_on in done.err
