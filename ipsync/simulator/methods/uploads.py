"""`upload.*`: a file comes in, a ticket goes out, a document appears when the work is done."""

from collections.abc import Callable
from typing import NamedTuple

from ipsync.simulator.caller import Caller
from ipsync.simulator.clock import SECOND
from ipsync.simulator.documents import LICENSE_IDS, SAFETY_LEVELS, UploadedFile
from ipsync.simulator.errors import ApiError, bad_parameter
from ipsync.simulator.media.recognize import recognize
from ipsync.simulator.methods.documents import created_asked, place_asked, share_asked
from ipsync.simulator.methods.finding import own_album, own_document
from ipsync.simulator.methods.marks import keywords_of
from ipsync.simulator.methods.shapes import Element, flag, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State, Upload

_MOST_TICKETS = 100


class SentFile(NamedTuple):
    """The part `file` of a multipart request."""

    filename: str
    data: bytes


def _accept(state: State, caller: Caller, params: Params, file: SentFile | None, replaces: int | None) -> Element:
    if file is None or not file.data:
        raise ApiError(1, "The file is missing or empty")
    about = recognize(file.data)
    original = about and UploadedFile(about.extension, about.width, about.height, about.seconds, file.data)
    upload = Upload(
        ticket=state.issue("ticket"),
        owner=caller.signed_in(),
        ready_at=state.now() + state.upload_time,
        kind=about.kind if about else "other",
        size=len(file.data),
        original=original,
        params={**params.raw, "filename": file.filename},
        replaces=replaces,
    )
    state.uploads[upload.ticket] = upload
    state.pending.append(upload)
    settle(state)
    return {"ticket": upload.ticket}


def send(state: State, caller: Caller, params: Params, file: SentFile | None) -> Element:
    """Answer `upload.file`; what was said about the file is checked before it is taken."""
    share_asked(params, 0)
    created_asked(params)
    place_asked(params)
    if params.text("license"):
        params.choice("license", LICENSE_IDS)
    if params.text("safety"):
        params.choice("safety", SAFETY_LEVELS)
    if params.text("album_id"):
        own_album(state, caller, params.integer("album_id"))
    return _accept(state, caller, params, file, None)


def replace(state: State, caller: Caller, params: Params, file: SentFile | None) -> Element:
    """Answer `upload.replace`: the document keeps its id and gets another file."""
    document = own_document(state, caller, params.integer("doc_id"))
    return _accept(state, caller, params, file, document.document_id)


def settle(state: State) -> None:
    """Finish the uploads whose time has come."""
    if not state.pending:
        return
    now = state.now()
    due = [upload for upload in state.pending if upload.ready_at <= now]
    if due:
        state.pending = [upload for upload in state.pending if upload.ready_at > now]
    for upload in due:
        _finish(state, upload)


def _finish(state: State, upload: Upload) -> None:
    upload.done = True
    now_seconds = upload.ready_at // SECOND
    original, upload.original = upload.original, None
    if original is None:
        return
    if upload.replaces is None:
        upload.document_id = _publish(state, upload, original, now_seconds)
        return
    document = state.library.get(upload.replaces)
    if document is not None:
        state.library.replace(document, upload.kind, original, now_seconds)
        upload.document_id = document.document_id


def _publish(state: State, upload: Upload, original: UploadedFile, now_seconds: int) -> int:
    """Make the document of an upload and return its id."""
    params, owner = Params(upload.params), upload.owner
    share = share_asked(params, owner.upload_share)
    document = state.library.post(owner, upload.kind, original, share, now_seconds)
    filename = params.text("filename")
    document.filename = filename
    document.title = params.text("title") or filename.rpartition(".")[0] or filename
    document.description = params.text("description")
    document.license = params.choice("license", LICENSE_IDS, 0)
    document.safety = params.choice("safety", SAFETY_LEVELS, 1)
    document.created = created_asked(params)
    document.latitude, document.longitude = place_asked(params) or (None, None)
    document.tags = keywords_of(params.names("keywords"), owner, now_seconds)
    album = state.shelves.albums.get(params.integer("album_id", 0))
    if album is not None and album.owner is owner:
        album.document_ids.append(document.document_id)
        album.updated_at = now_seconds
    return document.document_id


def _ticket(state: State, ticket: str, owner: object) -> Element:
    upload = state.uploads.get(ticket)
    if upload is None or upload.owner is not owner:
        return {"id": ticket, "done": "0", "invalid": "1", "eta": "0"}
    if not upload.done:
        left = max(1, -(-(upload.ready_at - state.now()) // SECOND))
        return {"id": ticket, "done": "0", "invalid": "0", "eta": str(left)}
    element = {"id": ticket, "done": "1", "invalid": flag(upload.document_id is None), "eta": "0"}
    if upload.document_id is not None:
        element["doc_id"] = str(upload.document_id)
    return element


def check_tickets(state: State, caller: Caller, params: Params, file: SentFile | None) -> Element:
    """Answer `upload.checkTickets`."""
    names = params.names("tickets")
    if not 1 <= len(names) <= _MOST_TICKETS:
        raise bad_parameter("tickets", f"1 to {_MOST_TICKETS} tickets are allowed")
    owner = caller.signed_in()
    tickets = [_ticket(state, name, owner) for name in names]
    answer = {
        "count": str(len(tickets)),
        "done": str(sum(ticket["done"] == "1" for ticket in tickets)),
        "invalid": str(sum(ticket["invalid"] == "1" for ticket in tickets)),
        "left": str(sum(ticket["eta"] != "0" for ticket in tickets)),
        "eta": str(max(int(ticket["eta"]) for ticket in tickets)),
    }
    return {"tickets": with_list(answer, "ticket", tickets)}


CALLS: dict[str, Callable[[State, Caller, Params, SentFile | None], Element]] = {
    "upload.file": send,
    "upload.replace": replace,
    "upload.checkTickets": check_tickets,
}
