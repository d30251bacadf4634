"""What one page means, before anything is done about it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ipsync.policy.documents import (
    Document,
    DocumentState,
    ListedDocument,
    RemoteFile,
    Rendition,
    RenditionState,
    Tombstone,
    Visibility,
)
from ipsync.policy.lease import Lease
from ipsync.policy.permission import KeyUse, PermittedView
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.policy.sweeping import Held, PagePlan, plan_page

MEMBER, NOON = 31337, 1_790_000_000_000_000
SENT, NOW = NOON + 1_000_000, NOON + 2_000_000
Make = Callable[..., ListedDocument]


def holding(*documents: Document, tombstones: Sequence[Tombstone] = (), renditions: Sequence[Rendition] = ()) -> Held:
    files: dict[int, list[Rendition]] = {}
    for rendition in renditions:
        files.setdefault(rendition.document_id, []).append(rendition)
    return Held({d.document_id: d for d in documents}, {t.document_id: t for t in tombstones}, files)


def plan(held: Held, view: PermittedView, lease: Lease, *items: ListedDocument, sent_at: int = SENT) -> PagePlan:
    return plan_page(MEMBER, sent_at, items, held, view, lease, NOW)


def test_a_new_document_is_taken_in_with_the_send_time(view: PermittedView, lease: Lease, listed: Make) -> None:
    found = plan(holding(), view, lease, listed(7))
    assert [(d.document_id, d.verified_at, d.mirrored_at, d.state) for d in found.added] == [
        (7, SENT, NOW, DocumentState.LIVE)
    ]
    assert [r.file.rendition for r in found.renditions] == ["240", "original"]


def test_T06_a_new_document_outside_the_view_is_left_alone(view: PermittedView, lease: Lease, listed: Make) -> None:
    found = plan(holding(), replace(view, licenses=frozenset({1})), lease, listed(7))
    assert found.added == []
    assert found.ignored == [7]


def test_only_wanted_renditions_are_wanted(view: PermittedView, lease: Lease, listed: Make) -> None:
    found = plan(holding(), replace(view, renditions=("240",)), lease, listed(7))
    assert [r.file.rendition for r in found.renditions] == ["240"]


def test_an_unchanged_document_is_renewed_and_nothing_else(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    found = plan(holding(document), view, lease, listed(1))
    assert found == PagePlan(renewed=[1])


def test_F17_an_answer_older_than_the_last_verification_says_nothing(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    found = plan(holding(document), view, lease, listed(1, title="Old"), sent_at=document.verified_at - 1)
    assert found == PagePlan(ignored=[1])


def test_F17_an_answer_older_than_the_absence_says_nothing(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    suspect = replace(document, state=DocumentState.SUSPECT, absent_at=SENT)
    assert plan(holding(suspect), view, lease, listed(1)) == PagePlan(ignored=[1])


def test_a_suspect_seen_again_is_live_and_its_suspicion_over(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    suspect = replace(document, state=DocumentState.SUSPECT, absent_at=SENT - 1, hidden_at=SENT)
    found = plan(holding(suspect), view, lease, listed(1))
    assert found.withdrawn == [1]
    assert [(d.state, d.hidden_at, d.verified_at) for d in found.updated] == [(DocumentState.LIVE, None, SENT)]


def test_doomed_never_comes_back(view: PermittedView, lease: Lease, listed: Make, document: Document) -> None:
    assert plan(holding(replace(document, state=DocumentState.DOOMED)), view, lease, listed(1)).ignored == [1]


def test_F15_another_members_document_is_not_touched(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    found = plan(holding(replace(document, account_id=MEMBER + 1)), view, lease, listed(1, title="Stolen"))
    assert found == PagePlan(ignored=[1], foreign=[1])


def test_T10_I10_a_relicensed_document_is_hidden_and_waits_for_confirmation(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    found = plan(holding(document), replace(view, licenses=frozenset({3})), lease, listed(1, license=0))
    (hidden,), (removal,) = found.updated, found.removals
    assert (hidden.state, hidden.hidden_at, hidden.absent_at) == (DocumentState.SUSPECT, NOW, SENT)
    assert (removal.reason, removal.stage, removal.scope) == (Reason.RELICENSED, Stage.SUSPECTED, Scope.DOCUMENT)
    assert removal.first_unsafe_at == document.verified_at
    assert removal.erase_from == lease.erase_from(document.verified_at)
    assert removal.erase_by == lease.erase_by(document.verified_at)


def test_T07_what_our_own_configuration_bars_needs_no_confirmation(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    found = plan(holding(document), replace(view, use=KeyUse.COMMERCIAL), lease, listed(1))
    (hidden,), (removal,) = found.updated, found.removals
    assert hidden.state is DocumentState.DOOMED
    assert (removal.reason, removal.stage, removal.confirmed_at) == (Reason.POLICY_CHANGE, Stage.CONFIRMED, NOW)
    assert removal.first_unsafe_at == NOW


def test_I4_a_standing_tombstone_keeps_it_out(view: PermittedView, lease: Lease, listed: Make) -> None:
    stone = Tombstone(1, MEMBER, "owner-request", since=0, stands=True)
    assert plan(holding(tombstones=[stone]), view, lease, listed(1)) == PagePlan(ignored=[1])


def test_F17_a_tombstone_outlasts_older_answers_only(view: PermittedView, lease: Lease, listed: Make) -> None:
    stone = Tombstone(1, MEMBER, "unshared", since=SENT)
    assert plan(holding(tombstones=[stone]), view, lease, listed(1)).ignored == [1]
    back = plan(holding(tombstones=[stone]), view, lease, listed(1), sent_at=SENT + 1)
    assert back.returned == [1]
    assert back.added[0].absent_at == SENT


def test_a_new_title_is_written(view: PermittedView, lease: Lease, listed: Make, document: Document) -> None:
    found = plan(holding(document), view, lease, listed(1, title="Another"))
    assert [d.facts.title for d in found.updated] == ["Another"]
    assert found.removals == []


def held_files(*states: RenditionState) -> list[Rendition]:
    names = ("240", "original", "500")
    return [
        Rendition(1, MEMBER, RemoteFile(name, f"https://u1.ipernity.com/1.1.{name}.jpg"), state)
        for name, state in zip(names, states, strict=False)
    ]


def test_T10_a_replaced_file_loses_its_old_version_first(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    held = holding(document, renditions=held_files(RenditionState.STORED, RenditionState.WANTED))
    found = plan(held, view, lease, listed(1, version=2, md5="1" * 32))
    (removal,) = found.removals
    assert (removal.reason, removal.scope, removal.renditions) == (Reason.REPLACED, Scope.FILES, ("240",))
    assert {r.file.rendition: r.state for r in found.renditions} == {
        "240": RenditionState.ERASING,
        "original": RenditionState.WANTED,
    }
    assert all(".2." in r.file.url for r in found.renditions)


def test_a_new_address_of_the_same_version_keeps_the_bytes(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    held = holding(document, renditions=held_files(RenditionState.STORED, RenditionState.FAILED))
    found = plan(held, view, lease, listed(1, version=2))
    assert found.removals == []
    assert [r.state for r in found.renditions] == [RenditionState.STORED, RenditionState.FAILED]
    assert [r.next_try_at for r in found.renditions] == [0, 0]


def test_an_untold_digest_proves_nothing(view: PermittedView, lease: Lease, listed: Make, document: Document) -> None:
    held = holding(document, renditions=held_files(RenditionState.STORED))
    assert plan(held, view, lease, listed(1, md5=None)).removals == []
    assert len(plan(held, view, lease, listed(1, replaced_at=5)).removals) == 1


def test_a_rendition_no_longer_configured_goes_once(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    stored = held_files(RenditionState.STORED, RenditionState.STORED, RenditionState.STORED)
    found = plan(holding(document, renditions=stored), view, lease, listed(1))
    assert [(r.reason, r.renditions) for r in found.removals] == [(Reason.POLICY_CHANGE, ("500",))]
    erasing = [*stored[:2], replace(stored[2], state=RenditionState.ERASING)]
    assert plan(holding(document, renditions=erasing), view, lease, listed(1)).removals == []


def test_a_document_that_moves_between_mirrored_levels_is_only_changed(
    view: PermittedView, lease: Lease, listed: Make, document: Document
) -> None:
    both = replace(view, visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    found = plan(holding(document), both, lease, listed(1, visibility=Visibility.FRIENDS))
    assert [d.facts.visibility for d in found.updated] == [Visibility.FRIENDS]
    assert found.removals == []
