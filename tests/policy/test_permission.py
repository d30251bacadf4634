"""May we copy, keep, show it: privacy, license, commerce, media, safety."""

from dataclasses import replace

import pytest

from ipsync.policy.accounts import excess_permissions, missing_permissions, needed_permissions
from ipsync.policy.documents import Facts, Media, Safety, Visibility
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import Agreement, Bar, KeyUse, PermittedView, bar, reason_for
from ipsync.policy.removals import Reason

MEMBER, NOW = 31337, 1_790_000_000_000_000


def test_T06_inside_the_view_nothing_bars(view: PermittedView, facts: Facts) -> None:
    assert bar(view, MEMBER, facts, NOW) is None


@pytest.mark.parametrize("level", [level for level in Visibility if level is not Visibility.PUBLIC])
def test_T06_other_privacy_levels_are_barred(view: PermittedView, facts: Facts, level: Visibility) -> None:
    assert bar(view, MEMBER, replace(facts, visibility=level), NOW) is Bar.VISIBILITY


def test_T06_an_unknown_license_allows_nothing(view: PermittedView, facts: Facts) -> None:
    wide = replace(view, licenses=view.licenses | {2})
    assert bar(wide, MEMBER, replace(facts, license=2), NOW) is Bar.LICENSE
    assert bar(replace(view, licenses=frozenset({1})), MEMBER, facts, NOW) is Bar.LICENSE


@pytest.mark.parametrize("license_id", sorted(LICENSES))
def test_T07_a_commercial_key_takes_only_commercial_licenses(
    view: PermittedView, facts: Facts, license_id: int
) -> None:
    commercial = replace(view, use=KeyUse.COMMERCIAL)
    allowed = license_id in {1, 5, 9, 255}
    assert bar(commercial, MEMBER, replace(facts, license=license_id), NOW) is (None if allowed else Bar.COMMERCE)


def test_T07_an_agreement_holds_for_its_owner_until_its_end(view: PermittedView, facts: Facts) -> None:
    agreed = replace(view, use=KeyUse.COMMERCIAL, agreements=(Agreement(MEMBER, "contract 7", NOW),))
    assert bar(agreed, MEMBER, facts, NOW - 1) is None
    assert bar(agreed, MEMBER, facts, NOW) is Bar.COMMERCE
    assert bar(agreed, MEMBER + 1, facts, NOW - 1) is Bar.COMMERCE


def test_media_and_safety_bar(view: PermittedView, facts: Facts) -> None:
    narrow = replace(view, media=frozenset({Media.VIDEO}), safety=frozenset({Safety.EVERYONE}))
    assert bar(narrow, MEMBER, facts, NOW) is Bar.MEDIA
    video = replace(facts, media=Media.VIDEO)
    assert bar(narrow, MEMBER, replace(video, safety=Safety.ADULTS), NOW) is Bar.SAFETY
    assert bar(narrow, MEMBER, video, NOW) is None


@pytest.mark.parametrize(
    ("barred", "change", "reason"),
    [
        (Bar.VISIBILITY, {"visibility": Visibility.PRIVATE}, Reason.UNSHARED),
        (Bar.LICENSE, {"license": 0}, Reason.RELICENSED),
        (Bar.COMMERCE, {"license": 0}, Reason.RELICENSED),
        (Bar.SAFETY, {"safety": Safety.ADULTS}, Reason.UNSHARED),
        (Bar.MEDIA, {"media": Media.OTHER}, Reason.UNSHARED),
        (Bar.COMMERCE, {}, Reason.POLICY_CHANGE),
        (Bar.VISIBILITY, {}, Reason.POLICY_CHANGE),
        (Bar.MEDIA, {"title": "Another"}, Reason.POLICY_CHANGE),
    ],
)
def test_the_reason_is_the_owners_only_if_the_owner_changed_something(
    facts: Facts, barred: Bar, change: dict[str, object], reason: Reason
) -> None:
    assert reason_for(barred, facts, replace(facts, **change)) is reason


def test_T13_only_read_and_only_what_is_used() -> None:
    assert needed_permissions(["documents"], [Visibility.PUBLIC]) == {"doc": "read"}
    assert needed_permissions(["documents", "articles"], [Visibility.PUBLIC]) == {"doc": "read", "blog": "read"}
    assert needed_permissions(["profile"], []) == {"profile": "read"}


def test_T13_lacking_and_excess_are_told_apart() -> None:
    needed = {"doc": "read"}
    assert missing_permissions({"doc": "none", "blog": "delete"}, needed) == {"doc": "read"}
    assert missing_permissions({"doc": "write"}, needed) == {}
    assert missing_permissions({"doc": "rubbish"}, needed) == {"doc": "read"}
    assert excess_permissions({"doc": "write", "blog": "read", "profile": "none"}, needed) == {
        "doc": "write",
        "blog": "read",
    }
