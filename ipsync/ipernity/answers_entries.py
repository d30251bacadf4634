"""From shapes to values for albums, folders, articles and profiles; whole or not at all, as in `answers`.

Of a member's HTML nothing but plain words leaves this module (`policy.plain_text`).
"""

from collections.abc import Sequence

from ipsync.ipernity import wire_entries as wire
from ipsync.ipernity.answers import LONGEST_LINE, UnfitError, visibility_of
from ipsync.ipernity.wire import Owner, many
from ipsync.policy.documents import Visibility
from ipsync.policy.entries import ENTRIES_PER_PAGE, Content, EntryKind, ListedEntry
from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.plain_text import plain_text, shown_documents
from ipsync.policy.profiles import ProfileWords
from ipsync.ports.source import AccountClosed, EntryPage, MemberPage, Profile, SeenEntry


def entry_page(
    found: wire.Containers | wire.Posts | None,
    kind: EntryKind,
    *,
    account_id: int,
    page: int,
    sent_at: Instant,
) -> EntryPage:
    """Read one page of a list of entries.

    Args:
        found: what came.
        kind: what was asked for.
        account_id: whose.
        page: which page was asked for.
        sent_at: when.

    Raises:
        UnfitError: it is not that page.
    """
    if found is None:
        raise UnfitError("there is no list in it")
    pages = max(1, -(-found.total // found.per_page))
    if isinstance(found, wire.Posts):
        listed = [_article(post, account_id) for post in many(found.post)]
    else:
        named = many(found.album if kind is EntryKind.ALBUM else found.folder)
        listed = [_container(entry, kind, account_id) for entry in named]
    if found.page != page:
        if page <= pages:
            raise UnfitError("it is another page than was asked for")
        listed = []
    if len(listed) > ENTRIES_PER_PAGE:
        raise UnfitError("the page names too many entries")
    entries: dict[int, ListedEntry] = {}
    for entry in listed:
        if entries.setdefault(entry.entry_id, entry) != entry:
            raise UnfitError("it says two things of one entry")
    return EntryPage(kind, account_id, sent_at, page, pages, found.total, tuple(entries.values()))


def seen_container(
    answer: wire.ContainerAnswer, kind: EntryKind, *, account_id: int, entry_id: int, sent_at: Instant
) -> SeenEntry:
    """Read one album or folder.

    Raises:
        UnfitError: it is not that one, or somebody else's.
    """
    found = answer.album if kind is EntryKind.ALBUM else answer.folder
    if found is None:
        raise UnfitError("there is no such entry in it")
    listed = _container(found, kind, account_id)
    if listed.entry_id != entry_id:
        raise UnfitError("it is another entry than was asked for")
    return SeenEntry(kind, listed, Content(), sent_at)


def seen_article(answer: wire.PostAnswer, *, account_id: int, entry_id: int, sent_at: Instant) -> SeenEntry:
    """Read one article.

    Raises:
        UnfitError: it is not that one, or somebody else's.
    """
    post = answer.post
    if post is None or post.owner is None:
        raise UnfitError("there is no article in it")
    listed = _article(post, account_id)
    if listed.entry_id != entry_id:
        raise UnfitError("it is another entry than was asked for")
    source = post.content or ""
    return SeenEntry(EntryKind.ARTICLE, listed, Content(plain_text(source), shown_documents(source)), sent_at)


def seen_profile(profile: Profile) -> SeenEntry:
    """Read a member's profile as the entry that it is: it has no level of its own, and nothing else tells its words.

    Raises:
        AccountClosed: the answer says so; then it is no profile to keep.
    """
    if profile.closed:
        raise AccountClosed("user.get", "the account is closed or suspended")
    words = ProfileWords(profile.realname, profile.alias, profile.town, profile.country)
    title, content = (profile.username or profile.realname)[:LONGEST_LINE], Content(words.as_text())
    listed = ListedEntry(profile.account_id, title, frozenset(Visibility), content=content)
    return SeenEntry(EntryKind.PROFILE, listed, content, profile.sent_at)


def member_page(
    answer: wire.HolderAnswer, kind: EntryKind, *, entry_id: int, page: int, sent_at: Instant
) -> MemberPage:
    """Read one page of what an album or folder holds.

    Raises:
        UnfitError: it is not that page of that entry.
    """
    holder = answer.album if kind is EntryKind.ALBUM else answer.folder
    found = None if holder is None else holder.docs if kind is EntryKind.ALBUM else holder.albums
    if holder is None or found is None:
        raise UnfitError("there is no list in it")
    if entry_id != (holder.album_id if kind is EntryKind.ALBUM else holder.folder_id):
        raise UnfitError("it is another entry than was asked for")
    pages = max(1, -(-found.total // found.per_page))
    if found.page != page and page <= pages:
        raise UnfitError("it is another page than was asked for")
    named: Sequence[wire.Named] = many(found.doc if kind is EntryKind.ALBUM else found.album)
    ids = [one.doc_id if kind is EntryKind.ALBUM else one.album_id for one in named]
    if len(ids) > ENTRIES_PER_PAGE:
        raise UnfitError("the page names too much")
    members = [number for number in ids if number is not None]
    if len(members) != len(ids):
        raise UnfitError("it names something without a number")
    return MemberPage(sent_at, page, pages, tuple(dict.fromkeys(members)) if found.page == page else ())


def _container(found: wire.Container, kind: EntryKind, account_id: int) -> ListedEntry:
    _demand_owner(found.owner, account_id)
    entry_id = found.album_id if kind is EntryKind.ALBUM else found.folder_id
    if entry_id is None:
        raise UnfitError("an entry has no number")
    dates = found.dates or wire.Times()
    cover = found.cover.doc_id if isinstance(found.cover, wire.Cover) else None
    return ListedEntry(
        entry_id=entry_id,
        title=(found.title or "")[:LONGEST_LINE],
        levels=_levels(found),
        posted_at=dates.created_at * SECOND if dates.created_at else None,
        modified_at=dates.last_update_at * SECOND if dates.last_update_at else None,
        cover_id=cover or None,
    )


def _levels(found: wire.Container) -> frozenset[Visibility]:
    """At which privacy levels there is anything to see. Where nobody says so, it is at none: nothing is mirrored."""
    told = found.visibility or found.count or wire.Amounts()
    amounts = {
        Visibility.FAMILY: told.family or 0,
        Visibility.FRIENDS: told.friend or told.friends or 0,
        Visibility.FRIENDS_AND_FAMILY: told.ff or 0,
        Visibility.PUBLIC: told.public or 0,
    }
    levels = {level for level, amount in amounts.items() if amount}
    everything = 0 if found.count is None else found.count.docs or 0
    if everything > sum(amounts.values()):
        levels.add(Visibility.PRIVATE)
    return frozenset(levels)


def _article(post: wire.Post, account_id: int) -> ListedEntry:
    _demand_owner(post.owner, account_id)
    dates = post.dates or wire.Times()
    # A draft, which was never posted, is its author's alone, whatever level it is prepared for.
    level = visibility_of(post.visibility) if dates.posted_at else Visibility.PRIVATE
    return ListedEntry(
        entry_id=post.post_id,
        title=(post.title or "")[:LONGEST_LINE],
        levels=frozenset({level}),
        posted_at=dates.posted_at * SECOND if dates.posted_at else None,
        modified_at=dates.modified_at * SECOND if dates.modified_at else None,
    )


def _demand_owner(owner: Owner | None, account_id: int) -> None:
    if owner is not None and owner.user_id != account_id:
        raise UnfitError("it names something of somebody else")
