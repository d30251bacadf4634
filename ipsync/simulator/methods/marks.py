"""What people put on documents: `doc.tags.*`, `doc.notes.*` and `doc.comments.getList`."""

from ipsync.simulator import words
from ipsync.simulator.caller import Caller
from ipsync.simulator.documents import Document, Note, Tag
from ipsync.simulator.errors import bad_parameter, not_found
from ipsync.simulator.members import Member
from ipsync.simulator.methods.finding import own_document, visible_document
from ipsync.simulator.methods.shapes import Element, paging, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State


def tag_details(tag: Tag) -> Element:
    """Return a tag as `doc.get` shows it."""
    element = {"tag_id": tag.tag_id, "type": tag.kind, "user_id": str(tag.author_id), "title": tag.text}
    element["member_id" if tag.kind == "member" else "keyword"] = tag.tag_id
    return element


def _tag(tag: Tag) -> Element:
    return {"type": tag.kind, "id": tag.tag_id, "user_id": str(tag.author_id), "tag": tag.text}


def keywords_of(texts: list[str], author: Member, now_seconds: int) -> tuple[Tag, ...]:
    """Return keywords as tags, without those that are empty or come twice."""
    made: dict[str, Tag] = {}
    for text in texts:
        tag_id = "".join(letter for letter in text.lower() if letter.isalnum())
        if tag_id:
            made.setdefault(tag_id, Tag("keyword", tag_id, author.user_id, text, now_seconds))
    return tuple(made.values())


def _tags_asked(state: State, caller: Caller, params: Params) -> list[Tag]:
    author, now_seconds = caller.signed_in(), state.now_seconds()
    tags = list(keywords_of(params.names("keywords"), author, now_seconds))
    for name in params.names("members"):
        member = state.member_called(name)
        if member is None:
            raise not_found("member")
        tags.append(Tag("member", str(member.user_id), author.user_id, member.username, now_seconds))
    return tags


def _add(document: Document, tags: list[Tag]) -> list[Tag]:
    known = {(tag.kind, tag.tag_id) for tag in document.tags}
    new: list[Tag] = [tag for tag in tags if (tag.kind, tag.tag_id) not in known]
    document.tags = (*document.tags, *new)
    return new


def add_tags(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.tags.add`."""
    document = own_document(state, caller, params.integer("doc_id"))
    tags = _tags_asked(state, caller, params)
    if not tags:
        raise bad_parameter("keywords")
    new = _add(state.library.edit(document, state.now_seconds()), tags)
    answer = {"added": str(len(new)), "dropped": str(len(tags) - len(new))}
    return {"tags": with_list(answer, "tag", [_tag(tag) for tag in new])}


def edit_tags(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.tags.edit`, which replaces all tags."""
    document = own_document(state, caller, params.integer("doc_id"))
    tags = _tags_asked(state, caller, params)
    document = state.library.edit(document, state.now_seconds())
    dropped = len(document.tags)
    document.tags = tuple({(tag.kind, tag.tag_id): tag for tag in tags}.values())
    answer = {"added": str(len(document.tags)), "dropped": str(dropped)}
    return {"tags": with_list(answer, "tag", [_tag(tag) for tag in document.tags])}


def list_tags(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.tags.getList`."""
    document = visible_document(state, caller, params.integer("doc_id"))
    tags = [{**_tag(tag), "added_at": str(tag.added_at or document.posted_at)} for tag in document.tags]
    return {"tags": with_list({"total": str(len(tags))}, "tag", tags)}


def remove_tag(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.tags.remove`."""
    document = own_document(state, caller, params.integer("doc_id"))
    kind, tag_id = params.required("type"), params.required("id")
    for tag in document.tags:
        if (tag.kind, tag.tag_id) == (kind, tag_id):
            kept = state.library.edit(document, state.now_seconds())
            kept.tags = tuple(one for one in kept.tags if one is not tag)
            return {}
    raise not_found("tag")


def note_element(note: Note) -> Element:
    """Return a note as `doc.get` shows it."""
    x, y, w, h = map(str, note.box)
    return {
        "note_id": str(note.note_id),
        "user_id": str(note.author.user_id),
        "username": note.author.username,
        "posted_at": str(note.posted_at),
        "x": x,
        "y": y,
        "w": w,
        "h": h,
        "content": note.text,
    }


def _box(params: Params) -> tuple[int, int, int, int]:
    return params.integer("x"), params.integer("y"), params.integer("w"), params.integer("h")


def _find_note(state: State, caller: Caller, params: Params) -> tuple[Document, Note]:
    """Return a note on one of the caller's documents; only changed documents can have notes."""
    note_id = params.integer("note_id")
    for document in state.library.kept_of(caller.signed_in()):
        for note in document.notes:
            if note.note_id == note_id:
                return document, note
    raise not_found("note")


def add_note(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.notes.add`."""
    document = own_document(state, caller, params.integer("doc_id"))
    text, box, now_seconds = params.required("content"), _box(params), state.now_seconds()
    if document.kind != "photo":
        raise bad_parameter("doc_id", "notes are for photos")
    note = Note(state.shelves.next_id(), caller.signed_in(), text, now_seconds, box)
    kept = state.library.edit(document, now_seconds)
    kept.notes = (*kept.notes, note)
    return {"note": note_element(note)}


def edit_note(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.notes.edit`."""
    document, old = _find_note(state, caller, params)
    new = old._replace(text=params.required("content"), box=_box(params))
    kept = state.library.edit(document, state.now_seconds())
    kept.notes = tuple(new if one is old else one for one in kept.notes)
    return {"note": note_element(new)}


def delete_note(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.notes.delete`."""
    document, note = _find_note(state, caller, params)
    kept = state.library.edit(document, state.now_seconds())
    kept.notes = tuple(one for one in kept.notes if one is not note)
    return {}


def _comment(state: State, document: Document, place: int) -> Element:
    digest = state.seeds.digest(f"comment{place}", document.document_id)
    author = state.members[digest[0] % len(state.members)]
    return {
        "comment_id": str(document.document_id * 10 + place),
        "user_id": str(author.user_id),
        "username": author.username,
        "posted_at": str(document.comment_at - 30 * (document.comments - 1 - place)),
        "content": words.SENTENCES[digest[1] % len(words.SENTENCES)],
    }


def list_comments(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.comments.getList`: the seeded comments, oldest first."""
    document = visible_document(state, caller, params.integer("doc_id"))
    page, per_page = params.page(), params.per_page(100)
    places = range(document.comments)[(page - 1) * per_page : page * per_page]
    comments = [_comment(state, document, place) for place in places]
    answer = {
        "doc_id": str(document.document_id),
        "count": str(len(comments)),
        **paging(document.comments, page, per_page),
    }
    return {"comments": with_list(answer, "comment", comments)}


CALLS = {
    "doc.tags.add": add_tags,
    "doc.tags.edit": edit_tags,
    "doc.tags.getList": list_tags,
    "doc.tags.remove": remove_tag,
    "doc.notes.add": add_note,
    "doc.notes.edit": edit_note,
    "doc.notes.delete": delete_note,
    "doc.comments.getList": list_comments,
}
