"""What may happen in a story, and how often in comparison: owners, operators, ipernity, the line, the machine."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from ipsync.jobs.accounts import AccountRefusedError
from ipsync.jobs.requests import RequestRefusedError
from ipsync.policy.instants import DAY, HOUR, MILLISECOND, MINUTE
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.simulator.containers import Post
from ipsync.simulator.documents import PUBLIC, Document, UploadedFile
from ipsync.simulator.members import Member
from tests.simulation.machine import Crash
from tests.simulation.story import Story

Happening: TypeAlias = Callable[[Story], Awaitable[None]]


def _member(story: Story) -> Member:
    return story.chance.choice(story.world.members)


def _document(story: Story, *, public: bool | None = None) -> Document | None:
    documents = [
        document
        for member in story.world.members
        for document in story.world.state.library.documents_of(member)
        if public is None or (document.share == PUBLIC) is public
    ]
    return story.chance.choice(documents) if documents else None


# owners


async def upload(story: Story) -> None:
    """Somebody posts a picture or two."""
    member = _member(story)
    if sum(1 for _ in story.world.state.library.documents_of(member)) < 14:
        story.tell("uploads", story.upload(member).document_id)


async def hide(story: Story) -> None:
    """A document is shared with fewer people."""
    document = _document(story, public=True)
    if document is not None:
        share = story.chance.choice((0, 1, 2, 3))
        story.tell("hides", document.document_id, share)
        story.world.state.library.set_share(document, share, story.world.state.now_seconds())


async def show(story: Story) -> None:
    """A document is public (again)."""
    document = _document(story, public=False)
    if document is not None:
        story.tell("shows", document.document_id)
        story.world.state.library.set_share(document, PUBLIC, story.world.state.now_seconds())


async def blink(story: Story) -> None:
    """A document is hidden and shown again soon."""
    document = _document(story, public=True)
    if document is None:
        return
    library, state, number = story.world.state.library, story.world.state, document.document_id
    story.tell("blinks", number)
    library.set_share(document, 0, state.now_seconds())

    async def back() -> None:
        current = library.get(number)
        if current is not None:
            story.tell("shows", number)
            library.set_share(current, PUBLIC, state.now_seconds())
            story.oracle.look()

    story.later(story.chance.randrange(1, 30) * HOUR // 2, back)


async def delete(story: Story) -> None:
    """A document is deleted."""
    document = _document(story)
    if document is not None:
        story.tell("deletes", document.document_id)
        story.world.state.library.delete(document)


async def swap(story: Story) -> None:
    """One document goes and another comes: every count stays as it was (F16)."""
    document = _document(story, public=True)
    if document is not None:
        story.world.state.library.delete(document)
        story.oracle.look()
        story.tell("swaps", document.document_id, story.upload(document.owner).document_id)


async def hide_many(story: Story) -> None:
    """Most of a member's documents are made private at once."""
    member = _member(story)
    story.tell("hides many", member.user_id)
    for document in list(story.world.state.library.documents_of(member)):
        if document.share == PUBLIC and story.chance.random() < 0.7:
            story.world.state.library.set_share(document, 0, story.world.state.now_seconds())


async def relicense(story: Story) -> None:
    """A document gets another license."""
    document = _document(story, public=True)
    if document is not None:
        kept = story.world.state.library.edit(document, story.world.state.now_seconds())
        kept.license = story.chance.choice((0, 0, 1, 9))
        story.tell("relicenses", document.document_id, kept.license)


async def retitle(story: Story) -> None:
    """A document gets other words."""
    document = _document(story, public=True)
    if document is not None:
        kept = story.world.state.library.edit(document, story.world.state.now_seconds())
        kept.title = f"{story.chance.choice(('A coot', 'A grebe', 'A teal'))} {document.token}"
        story.tell("retitles", document.document_id)


async def replace_file(story: Story) -> None:
    """A document gets another file."""
    document = _document(story, public=True)
    if document is not None:
        _replace_file(story, document)


def _replace_file(story: Story, document: Document) -> None:
    before, now = document.replaced_at, story.world.state.now_seconds()
    story._uploads += 1
    original = UploadedFile("jpg", 640, 480, 0, f"file {story._uploads}".encode())
    story.world.state.library.replace(document, "photo", original, now)
    story.oracle.was_replaced(document.document_id, before)
    story.tell("replaces", document.document_id)


async def correct_file(story: Story) -> None:
    """A document gets another file, which was the wrong one: minutes later it gets the right one."""
    document = _document(story, public=True)
    if document is None:
        return
    number = document.document_id
    _replace_file(story, document)

    async def again() -> None:
        current = story.world.state.library.get(number)
        if current is not None:
            _replace_file(story, current)
            story.oracle.look()

    story.later(story.chance.randrange(1, 10) * MINUTE, again)


async def revoke(story: Story) -> None:
    """A member takes their grant back, and perhaps gives it again."""
    member = _member(story)
    story.tell("revokes", member.user_id)
    story.world.state.revoke(member)
    story.later(story.chance.randrange(1, 72) * HOUR, lambda: story.authorize(member))


async def reauthorize(story: Story) -> None:
    """A member authorizes anew although they had."""
    await story.authorize(_member(story))


async def close(story: Story) -> None:
    """An account is closed, and perhaps opened again."""
    member = _member(story)
    story.tell("closes", member.user_id)
    member.closed = True

    async def reopen() -> None:
        member.closed = False
        story.tell("reopens", member.user_id)
        story.world.state.revoke(member)
        await story.authorize(member)

    story.later(story.chance.randrange(1, 72) * HOUR, reopen)


# owners of albums and articles


async def write_article(story: Story) -> None:
    """Somebody writes an article."""
    member = _member(story)
    if len(story.world.state.shelves.posts_of(member)) < 5:
        story.tell("writes", story.write_article(member).post_id)


def _article(story: Story) -> Post | None:
    posts = list(story.world.state.shelves.posts.values())
    return story.chance.choice(posts) if posts else None


async def share_article(story: Story) -> None:
    """An article is shown to others than before."""
    post = _article(story)
    if post is not None:
        post.share = 0 if post.share == PUBLIC else PUBLIC
        story.tell("shares article", post.post_id, post.share)


async def reword_article(story: Story) -> None:
    """An article gets other words."""
    post = _article(story)
    if post is not None:
        story.oracle.was_reworded(post)
        story._uploads += 1
        post.text = f"Version {story._uploads} {post.title.rpartition(' ')[2]}"
        post.modified_at = max(post.modified_at + 1, story.world.state.now_seconds())
        story.tell("rewords", post.post_id)


async def delete_article(story: Story) -> None:
    """An article is deleted."""
    post = _article(story)
    if post is not None:
        del story.world.state.shelves.posts[post.post_id]
        story.tell("deletes article", post.post_id)


async def make_album(story: Story) -> None:
    """Somebody makes an album of some documents, perhaps of none."""
    member = _member(story)
    if len(story.world.state.shelves.albums_of(member)) < 4:
        story.tell("makes album", story.make_album(member).album_id)


async def fill_album(story: Story) -> None:
    """A document is put into an album, or taken out of it."""
    albums, document = list(story.world.state.shelves.albums.values()), _document(story)
    if albums and document is not None:
        album = story.chance.choice(albums)
        if document.owner is not album.owner:
            return
        if document.document_id in album.document_ids:
            album.document_ids.remove(document.document_id)
        else:
            album.document_ids.append(document.document_id)
        story.tell("fills album", album.album_id, len(album.document_ids))


async def delete_album(story: Story) -> None:
    """An album is deleted; its documents stay."""
    albums = list(story.world.state.shelves.albums.values())
    if albums:
        album = story.chance.choice(albums)
        story.world.state.shelves.forget_album(album)
        story.tell("deletes album", album.album_id)


# operators


async def request_document(story: Story) -> None:
    """An owner asks for one document to go."""
    document = _document(story)
    if document is None or not story.life.is_serving:
        return
    number = document.document_id
    subject = Subject(RequestScope.DOCUMENT, number, document.owner.user_id)
    taken = await story.command(lambda works: works.requests.file(subject, Words(contact="an owner")))
    story.tell("asks for", number)
    story.oracle.asked(number)
    story.life.runner.nudge("purge") if story.life.runner else None

    async def withdraw() -> None:
        if not story.life.is_serving:
            story.later(HOUR, withdraw)
            return
        try:
            await story.command(lambda works: works.requests.withdraw(taken.request.request_id))
        except RequestRefusedError:
            return
        story.oracle.asked_away.pop(number, None)
        story.tell("withdraws", number)

    if story.chance.random() < 0.5:
        story.later(story.chance.randrange(1, 10) * DAY, withdraw)


async def remove_account(story: Story) -> None:
    """A member asks for everything to go; later they may consent anew."""
    member = _member(story)
    if not story.life.is_serving:
        return
    try:
        await story.command(lambda works: works.accounts.remove(member.user_id))
    except AccountRefusedError:
        return
    story.tell("asks for everything", member.user_id)
    story.oracle.members_away[member.user_id] = story.machine.now
    story.oracle.consented.discard(member.user_id)
    story.later(story.chance.randrange(6, 120) * HOUR, lambda: story.authorize(member))


async def pause(story: Story) -> None:
    """An account is not read for a while."""
    member = _member(story)
    if not story.life.is_serving:
        return
    try:
        await story.command(lambda works: works.accounts.pause(member.user_id))
    except AccountRefusedError:
        return
    story.tell("pauses", member.user_id)

    async def resume() -> None:
        if not story.life.is_serving:
            story.later(HOUR, resume)
            return
        try:
            await story.command(lambda works: works.accounts.resume(member.user_id))
        except AccountRefusedError:
            return
        story.tell("resumes", member.user_id)

    story.later(story.chance.randrange(1, 60) * HOUR, resume)


# ipernity


def _orders(kind: str, methods: tuple[str, ...] = ("*",), share: float = 1.0, value: float | None = None) -> Happening:
    async def order(story: Story) -> None:
        hours = story.chance.choice((1, 1, 3, 10, 26))
        story.tell("fault", order.__name__, hours)
        wanted: dict[str, object] = {"kind": kind, "methods": list(methods), "share": share, "seconds": hours * 3600}
        if value is not None:
            wanted["value"] = value
        story.world.faults.order(wanted, story.machine.now)

    order.__name__ = f"media_{kind}" if methods == ("media",) else kind
    return order


async def odd_refusal(story: Story) -> None:
    """One listing says that the grant is gone, and it is not (I10)."""
    story.tell("fault", "odd refusal")
    wanted = {"kind": "api_error", "methods": ["doc.getList"], "value": story.chance.choice((107, 108)), "count": 1}
    story.world.faults.order(wanted, story.machine.now)


async def quota(story: Story) -> None:
    """The application's quota is cut for some hours, never so far that whole accounts must be let go."""
    specs = ("10/h", "100/d", "1/m,20/h") if story.has_entries else ("1/h", "3/d", "1/m,5/h")
    hours, spec = story.chance.choice((2, 8, 30)), story.chance.choice(specs)
    story.tell("quota", spec, hours)
    story.world.set_rate_limit(spec)

    async def lift() -> None:
        story.world.set_rate_limit("")
        story.tell("quota lifted")

    story.later(hours * HOUR, lift)


# the line


async def outage(story: Story) -> None:
    """Nothing gets through."""
    minutes = story.chance.choice((5, 60, 300, 600, 1500, 3000))
    story.tell("outage", minutes)
    story.line.down_until = story.machine.now + minutes * MINUTE
    story.line.hangs = story.chance.random() < 0.3


async def late(story: Story) -> None:
    """Answers take long, and owners go on meanwhile."""
    story.tell("late answers")
    story.line.late = 0.5

    def meanwhile() -> None:
        document = _document(story)
        if document is not None and story.chance.random() < 0.5:
            share = 0 if document.share == PUBLIC else PUBLIC
            story.tell("meanwhile", document.document_id, share)
            story.world.state.library.set_share(document, share, story.world.state.now_seconds())
            story.oracle.look()

    story.line.meanwhile = meanwhile

    async def over() -> None:
        story.line.late = 0.0

    story.later(6 * HOUR, over)


async def large_files(story: Story) -> None:
    """Files take minutes each, while owners go on."""
    story.tell("large files")
    story.line.files_are_large = True

    async def over() -> None:
        story.line.files_are_large = False

    story.later(8 * HOUR, over)


# the machine


async def crash(story: Story) -> None:
    """The process dies a few steps from now."""
    if story.life.is_alive:
        story.life.crash_in = story.chance.randrange(1, 60)
        story.tell("will crash", story.life.crash_in)


async def kill(story: Story) -> None:
    """The process is killed now."""
    if story.life.is_alive:
        story.tell("killed")
        story.life.kill()


async def restart(story: Story) -> None:
    """The process is restarted in order."""
    if story.life.is_serving:
        story.tell("restart")
        with suppress(Crash):  # a process may die while it stops, as well
            await story.life.end()


async def suspend(story: Story) -> None:
    """The machine sleeps (F8)."""
    minutes = story.chance.choice((1, 30, 300, 1300, 2000))
    story.tell("sleeps", minutes)
    story.machine.suspend(minutes * MINUTE)
    story.oracle.woke()
    story.life.serving_since = story.machine.now
    if story.life.runner is not None:
        story.life.runner.wake()
    story.oracle.look()
    story.oracle.check_served(story.life)  # the first thing after waking may be a reader


async def switch_off(story: Story) -> None:
    """The machine is off for hours or days (F29)."""
    hours = story.chance.choice((1, 10, 23, 30, 72))
    story.tell("off", hours)
    story.life.kill()
    await story.life.bury()
    story.is_off = True
    await story._pass(hours * HOUR)
    story.is_off = False
    story.machine.boot()


async def clock_forward(story: Story) -> None:
    """The wall clock is set forward, and right again later (F6)."""
    hours = story.chance.choice((1, 2, 25))
    story.tell("clock forward", hours)
    story.machine.wall_offset += hours * HOUR
    story.oracle.counts_are_lost()
    if story.life.runner is not None:
        story.life.runner.wake()

    async def right() -> None:
        if not story.life.is_serving:  # what is set while nobody looks, nobody can see: docs/explanation/simulation.md
            story.later(HOUR, right)
            return
        story.machine.wall_offset = 0
        story.tell("clock right")

    story.later(story.chance.randrange(1, 50) * HOUR, right)


async def clock_back(story: Story) -> None:
    """The wall clock is set back (F7)."""
    hours = story.chance.choice((1, 12, 48, 1000))
    story.tell("clock back", hours)
    story.machine.wall_offset -= hours * HOUR
    if story.life.runner is not None:
        story.life.runner.wake()

    async def right() -> None:
        if not story.life.is_serving:  # what is set while nobody looks, nobody can see: docs/explanation/simulation.md
            story.later(HOUR, right)
            return
        story.machine.wall_offset = 0
        story.tell("clock right")

    story.later(story.chance.randrange(1, 80) * HOUR, right)


async def slow_disk(story: Story) -> None:
    """Every piece of work on the disk takes a while, so that jobs run into each other."""
    story.tell("slow disk")
    story.machine.lag = lambda: story.chance.choice((0, 1, 50)) * MILLISECOND

    async def over() -> None:
        story.machine.lag = lambda: 0

    story.later(12 * HOUR, over)


async def full_disk(story: Story) -> None:
    """No room is left for new files (F3)."""
    story.tell("disk full")
    story.machine.is_disk_full = True

    async def over() -> None:
        story.machine.is_disk_full = False
        story.tell("disk has room")

    story.later(story.chance.randrange(1, 40) * HOUR, over)


async def restore(story: Story) -> None:
    """The operator puts back the database as it was some hours ago (F28)."""
    if story.copied_at is not None or not story.life.is_serving:
        return
    story.tell("copies the database")
    story.machine.copy_database("backup")
    story.oracle.copied()

    async def put_back() -> None:
        if not story.life.is_alive:
            story.later(HOUR, put_back)
            return
        story.tell("puts the database back")
        story.life.kill()
        await story.life.bury()
        story.copied_at = story.machine.now
        story.machine.put_database_back("backup")
        story.oracle.put_back()

    story.later(story.chance.randrange(1, 60) * HOUR, put_back)


OWNERS: dict[Happening, float] = {
    upload: 12,
    hide: 10,
    show: 8,
    blink: 4,
    delete: 5,
    swap: 3,
    hide_many: 0.7,
    relicense: 8,
    retitle: 3,
    replace_file: 4,
    correct_file: 1,
    revoke: 0.7,
    reauthorize: 0.7,
    close: 0.5,
    request_document: 2,
    remove_account: 0.4,
    pause: 0.6,
}

WRITERS: dict[Happening, float] = {
    write_article: 4,
    share_article: 5,
    reword_article: 4,
    delete_article: 2,
    make_album: 3,
    fill_album: 6,
    delete_album: 2,
}
"""What owners do where albums and articles are mirrored."""

FAULTS: dict[Happening, float] = {
    _orders("http_status"): 1,
    _orders("api_error", value=500): 1,
    _orders("html"): 1,
    _orders("truncate"): 1,
    _orders("empty_list", ("doc.getList",), 0.5): 1.5,
    _orders("short_list", ("doc.getList",), 0.5): 1.5,
    _orders("wrong_total", ("doc.getList",), value=0): 1,
    _orders("wrong_total", ("doc.getList",), value=300): 0.5,
    _orders("stale_total", ("doc.getList",)): 1,
    _orders("shuffle", ("doc.getList",), value=1): 1,
    _orders("duplicate", ("doc.getList",)): 0.7,
    _orders("slow", share=0.3): 0.5,
    _orders("hang", share=0.3): 0.7,
    _orders("http_status", ("media",), 0.5): 0.7,
    _orders("truncate", ("media",), 0.5): 0.3,
    _orders("truncate", ("media",)): 0.3,
    _orders("slow", ("media",), 0.7, value=50): 0.6,
    odd_refusal: 1,
    quota: 1,
    outage: 4,
    late: 1.5,
    large_files: 0.7,
    crash: 8,
    kill: 2,
    restart: 1,
    suspend: 2,
    switch_off: 1,
    clock_forward: 0.4,
    clock_back: 1.5,
    slow_disk: 1,
    full_disk: 0.7,
    restore: 0.7,
}
