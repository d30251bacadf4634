"""Reading answers: what is tolerated, what is rejected, and that nothing is ever half used (F10, F11, F15)."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipsync.ipernity import answers, wire
from ipsync.ipernity.client import understood
from ipsync.ipernity.repeats import repeats_a_name
from ipsync.policy.documents import MEDIA, ORIGINAL, Facts, ListedDocument, Media, RemoteFile, Safety, Visibility
from ipsync.policy.instants import SECOND
from ipsync.ports.source import Granted, GrantLost, ListingPage, Malformed, Profile, Seen, SourceFailure

OWNER = 5_432
SENT_AT = 1_700_000_000 * SECOND
OK = {"status": "ok", "at": "1700000000"}
Json = dict[str, Any]


def doc(document_id: int = 1, **more: Any) -> Json:
    """A document as listings name it, every value a text."""
    return {
        "doc_id": str(document_id),
        "media": "photo",
        "license": "11",
        "title": 'A windy "tower": here :-) \\ é',
        "safety": "1",
        "thumb": {
            "label": "240",
            "ext": "jpg",
            "w": "240",
            "h": "180",
            "url": f"https://u1.ipernity.com/{document_id}.jpg",
        },
        "dates": {
            "posted_at": "1600000000",
            "modified_at": "1600000100",
            "replaced_at": "0",
            "created": "2020-09-13 12:26:40",
        },
        "md5": "890FF1B8B4C1D0B6A6EB63F6CAFDE4F7",
        "geo": {"lat": "41.996", "lng": "-2.5", "location": "Girona"},
        "original": {
            "ext": "jpg",
            "w": "4000",
            "h": "3000",
            "filename": "t.jpg",
            "bytes": "5084",
            "url": "https://u2.ipernity.com/o.jpg",
        },
        **more,
    }


def page(*docs: Json, **more: Any) -> Json:
    holder: Json = {"total": "250", "page": "1", "pages": "3", "per_page": "100"}
    if docs:
        holder["doc"] = list(docs)
    return {"api": OK, "docs": {**holder, **more}}


def full_doc(document_id: int = 1, **more: Any) -> Json:
    return {
        "api": OK,
        "doc": {
            **doc(document_id),
            "owner": {"user_id": str(OWNER), "username": "o", "realname": "O"},
            "description": "words",
            "visibility": {"ispublic": "1", "isfriend": "0", "isfamily": "0", "share": "5"},
            "thumbs": {"thumb": [doc()["thumb"], {"label": "vast", "w": "1", "h": "1", "url": "https://x/y"}]},
            "tags": {
                "total": "2",
                "tag": [
                    {"tag_id": "1", "type": "keyword", "keyword": "tree"},
                    {"tag_id": "2", "type": "member", "member_id": "3"},
                ],
            },
            "can": {"download": "1"},
            **more,
        },
    }


def raw(answer: Json) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def read_list(body: bytes, *, asked: int = 1, thumbnail: str | None = "240") -> ListingPage:
    def read(answer: wire.ListAnswer, sent_at: int) -> ListingPage:
        return answers.listing_page(
            answer, account_id=OWNER, visibility=Visibility.PUBLIC, page=asked, thumbnail=thumbnail, sent_at=sent_at
        )

    return understood("doc.getList", body, SENT_AT, wire.LIST, read)


def read_doc(body: bytes) -> Seen:
    def read(answer: wire.DocAnswer, sent_at: int) -> Seen:
        return answers.seen(answer, account_id=OWNER, document_id=1, sent_at=sent_at)

    return understood("doc.get", body, SENT_AT, wire.DOC, read)


def read_grant(body: bytes, token: str | None = None) -> Granted:
    def read(answer: wire.AuthAnswer, sent_at: int) -> Granted:
        return answers.granted(answer, token=token, sent_at=sent_at)

    return understood("auth.checkToken", body, SENT_AT, wire.AUTH, read)


def read_profile(body: bytes) -> Profile:
    def read(answer: wire.UserAnswer, sent_at: int) -> Profile:
        return answers.profile(answer, account_id=OWNER, sent_at=sent_at)

    return understood("user.get", body, SENT_AT, wire.USER, read)


# what is said is understood


def test_a_page_is_read_whole() -> None:
    found = read_list(raw(page(doc(7))))
    assert (found.page, found.pages, found.per_page, found.total, found.sent_at) == (1, 3, 100, 250, SENT_AT)
    assert found.documents == (
        ListedDocument(
            7,
            Facts(
                media=Media.PHOTO,
                license=11,
                safety=Safety.EVERYONE,
                visibility=Visibility.PUBLIC,
                title='A windy "tower": here :-) \\ é',
                posted_at=1_600_000_000 * SECOND,
                modified_at=1_600_000_100 * SECOND,
                replaced_at=None,
                created="2020-09-13 12:26:40",
                md5="890ff1b8b4c1d0b6a6eb63f6cafde4f7",
                latitude=41.996,
                longitude=-2.5,
            ),
            (
                RemoteFile("240", "https://u1.ipernity.com/7.jpg", 240, 180, None),
                RemoteFile(ORIGINAL, "https://u2.ipernity.com/o.jpg", 4000, 3000, 5084),
            ),
        ),
    )


def numbers(value: Any) -> Any:
    """The same with every text of digits as a number."""
    if isinstance(value, dict):
        return {name: numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [numbers(inner) for inner in value]
    return int(value) if isinstance(value, str) and value.isdigit() else value


def test_numbers_may_come_as_numbers() -> None:
    answer = page(doc(7), doc(8))
    assert read_list(raw(numbers(answer))) == read_list(raw(answer))


def test_one_element_may_come_without_its_list() -> None:
    answer = page()
    answer["docs"]["doc"] = doc(7)
    assert read_list(raw(answer)) == read_list(raw(page(doc(7))))
    single = full_doc()
    single["doc"]["thumbs"]["thumb"] = single["doc"]["thumbs"]["thumb"][0]
    single["doc"]["tags"]["tag"] = single["doc"]["tags"]["tag"][0]
    assert read_doc(raw(single)) == read_doc(raw(full_doc()))


def test_an_empty_list_may_be_left_out_or_empty() -> None:
    for answer in (page(total="0", pages="0"), page(total="0", pages="0", doc=[])):
        found = read_list(raw(answer))
        assert (found.documents, found.total, found.pages) == ((), 0, 1)


def test_a_document_may_lack_what_was_not_given() -> None:
    bare = {name: doc(9)[name] for name in ("doc_id", "media", "license", "safety")}
    (found,) = read_list(raw(page(bare))).documents
    assert found == ListedDocument(9, Facts(Media.PHOTO, 11, Safety.EVERYONE, Visibility.PUBLIC, ""), ())


@pytest.mark.parametrize("nothing", ["", "0", 0, None])
def test_times_that_say_nothing_are_none(nothing: object) -> None:
    dates = dict.fromkeys(("posted_at", "modified_at", "replaced_at"), nothing)
    (found,) = read_list(raw(page(doc(dates=dates)))).documents
    assert (found.facts.posted_at, found.facts.modified_at, found.facts.replaced_at) == (None, None, None)


@pytest.mark.parametrize("nothing", ["", "0", "0000-00-00 00:00:00", None])
def test_F9_the_owners_local_date_stays_a_text(nothing: str | None) -> None:
    (found,) = read_list(raw(page(doc(dates={"created": nothing})))).documents
    assert found.facts.created is None
    (found,) = read_list(raw(page(doc(dates={"created": "2020-03-29 02:30:00"})))).documents
    assert found.facts.created == "2020-03-29 02:30:00"


def test_a_smaller_thumbnail_is_kept_under_the_size_asked_for() -> None:
    (found,) = read_list(raw(page(doc())), thumbnail="2048").documents
    assert (found.files[0].rendition, found.files[0].width) == ("2048", 240)


def test_a_thumbnail_nobody_asked_for_is_left_aside() -> None:
    (found,) = read_list(raw(page(doc())), thumbnail=None).documents
    assert [file.rendition for file in found.files] == [ORIGINAL]


def test_of_several_media_the_one_of_most_pixels_is_chosen() -> None:
    small = {"label": "mp4", "w": "320", "h": "240", "url": "https://u/small"}
    large = {"label": "mp4", "w": "1920", "h": "1080", "lenght": "9", "url": "https://u/large"}
    for medias in ([small, large], [large, small], large):
        (found,) = read_list(raw(page(doc(medias={"media": medias})))).documents
        assert [file.url for file in found.files if file.rendition == MEDIA] == ["https://u/large"]
    sound = {"label": "mp3", "url": "https://u/sound"}
    (found,) = read_list(
        raw(page(doc(medias={"media": [sound, {"label": "ogg", "url": "https://u/other"}]})))
    ).documents
    assert [file.url for file in found.files if file.rendition == MEDIA] == ["https://u/sound"]


def test_what_nobody_knows_errs_to_the_safe_side() -> None:
    (found,) = read_list(raw(page(doc(media="hologram", safety="0", license="77")))).documents
    assert (found.facts.media, found.facts.safety, found.facts.license) == (Media.OTHER, Safety.ADULTS, 77)


@pytest.mark.parametrize("geo", [{"lat": "", "lng": ""}, {"lat": "nan", "lng": "inf"}, {"lat": "91", "lng": "181"}, {}])
def test_a_place_that_is_none_is_none(geo: Json) -> None:
    (found,) = read_list(raw(page(doc(geo=geo)))).documents
    assert (found.facts.latitude, found.facts.longitude) == (None, None)


def test_F15_the_same_document_twice_is_one() -> None:
    assert len(read_list(raw(page(doc(7), doc(8), doc(7)))).documents) == 2


def test_F15_two_stories_of_one_document_are_no_answer() -> None:
    with pytest.raises(Malformed, match="two things of one document"):
        read_list(raw(page(doc(7), doc(7, license="1"))))


def test_a_page_beyond_the_end_names_nothing_whatever_it_holds() -> None:
    found = read_list(raw(page(doc(7))), asked=4)
    assert (found.page, found.pages, found.documents) == (4, 3, ())
    with pytest.raises(Malformed, match="another page"):
        read_list(raw(page(doc(7))), asked=2)


@pytest.mark.parametrize(
    ("visibility", "level"),
    [
        ({"ispublic": "1", "share": "5"}, Visibility.PUBLIC),
        ({"ispublic": "1", "share": "4"}, Visibility.PUBLIC),
        ({"ispublic": "1"}, Visibility.PUBLIC),
        ({"share": "5"}, Visibility.PUBLIC),
        ({"share": "4"}, Visibility.PUBLIC),
        ({"share": 2}, Visibility.FRIENDS),
        ({"ispublic": "0", "share": "3"}, Visibility.FRIENDS_AND_FAMILY),
        ({"ispublic": "0", "share": "0"}, Visibility.PRIVATE),
        ({"ispublic": "0", "share": "5", "isfriend": "1", "isfamily": "1"}, Visibility.FRIENDS_AND_FAMILY),
        ({"ispublic": "0", "isfriend": "1"}, Visibility.FRIENDS),
        ({"ispublic": 0, "isfamily": 1}, Visibility.FAMILY),
        ({"ispublic": "0"}, Visibility.PRIVATE),
    ],
)
def test_ispublic_decides_who_may_see_a_document(visibility: Json, level: Visibility) -> None:
    assert read_doc(raw(full_doc(visibility=visibility))).facts.visibility is level


def test_F15_another_document_than_was_asked_for_is_no_answer() -> None:
    for change in ({"doc_id": "2"}, {"owner": {"user_id": str(OWNER + 1)}}):
        with pytest.raises(Malformed):
            read_doc(raw(full_doc(**change)))


def test_a_document_that_does_not_say_who_may_see_it_is_no_answer() -> None:
    with pytest.raises(Malformed):
        read_doc(raw(full_doc(visibility={})))


def test_a_whole_document_has_words_tags_and_files() -> None:
    seen = read_doc(raw(full_doc()))
    assert (seen.document_id, seen.owner_id, seen.sent_at) == (1, OWNER, SENT_AT)
    assert (seen.details.description, seen.details.tags) == ("words", ("tree",))
    assert [file.rendition for file in seen.files] == ["240", ORIGINAL]


def auth(**more: Any) -> Json:
    token = {"token": "tok-1", "user": {"user_id": str(OWNER), "username": "o", "realname": "O"}}
    return {"api": OK, "auth": {**token, **more}}


@pytest.mark.parametrize("name", ["perms", "permissions"])
def test_T13_permissions_are_read_by_either_name(name: str) -> None:
    granted = read_grant(
        raw(auth(**{name: {"doc": "read", "blog": "none", "network": "", "profile": "0", "post": "write"}}))
    )
    assert granted.permissions == {"doc": "read", "post": "write"}
    assert (granted.account_id, granted.token) == (OWNER, "tok-1")
    assert "tok-1" not in repr(granted)


def test_a_token_that_permits_nothing_permits_nothing() -> None:
    assert read_grant(raw(auth())).permissions == {}


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        (auth(), "tok-2"),
        (auth(user={"user_id": "0"}), None),
        ({"api": OK, "auth": {"token": "tok-1"}}, None),
        ({"api": OK}, None),
        (auth(token=""), None),
        (auth(permissions={"doc": "everything"}), None),
    ],
)
def test_a_grant_that_does_not_fit_is_no_answer(answer: Json, token: str | None) -> None:
    with pytest.raises(Malformed):
        read_grant(raw(answer), token)


def test_a_profile_is_read() -> None:
    user = {"user_id": str(OWNER), "username": "o", "realname": "O", "is_closed": "1", "count": {"docs": "12"}}
    found = read_profile(raw({"api": OK, "user": user}))
    assert (found.closed, found.documents, found.username) == (True, 12, "o")
    found = read_profile(raw({"api": OK, "user": {"user_id": OWNER}}))
    assert (found.closed, found.documents) == (False, None)
    with pytest.raises(Malformed, match="not the member"):
        read_profile(raw({"api": OK, "user": {"user_id": OWNER + 1}}))


def test_an_error_is_the_failure_it_stands_for_even_with_odd_company() -> None:
    error = {"status": "error", "code": "107", "message": "canary"}
    for answer in ({"api": error}, {"api": error, "docs": ""}, {"api": error, "docs": {"total": []}}):
        with pytest.raises(GrantLost) as lost:
            read_list(raw(answer))
        assert "canary" not in str(lost.value)


# what is not an answer


@pytest.mark.parametrize(
    "change",
    [
        {"doc_id": "0"},
        {"doc_id": "-1"},
        {"doc_id": ""},
        {"doc_id": None},
        {"doc_id": True},
        {"doc_id": "true"},
        {"doc_id": 1.5},
        {"doc_id": "1.5"},
        {"doc_id": " 1"},
        {"doc_id": "1 "},
        {"doc_id": "0x1"},
        {"doc_id": "1_0"},
        {"doc_id": "١٢"},
        {"doc_id": "9223372036854775808"},
        {"doc_id": 10**40},
        {"doc_id": ["1"]},
        {"doc_id": {"content": "1"}},
        {"media": None},
        {"media": 5},
        {"license": "CC"},
        {"license": "-1"},
        {"license": ""},
        {"license": "99999999999"},
        {"safety": "yes"},
        {"safety": False},
        {"title": 5},
        {"title": ["x"]},
        {"dates": "today"},
        {"dates": {"posted_at": "yesterday"}},
        {"dates": {"posted_at": "-5"}},
        {"dates": {"posted_at": "253402300800"}},
        {"dates": {"created": 5}},
        {"md5": "xyz"},
        {"md5": "890ff1b8b4c1d0b6a6eb63f6cafde4f70"},
        {"thumb": []},
        {"thumb": {"url": 5}},
        {"thumb": {"url": "https://" + "x" * 5000}},
        {"thumb": {"url": "https://u/x", "w": "wide"}},
        {"original": {"url": "https://u/x", "bytes": "-1"}},
        {"original": {"url": "https://u/x", "bytes": "99999999999999999999"}},
        {"geo": {"lat": "north"}},
        {"geo": {"lat": True}},
        {"geo": "41,2"},
        {"medias": {"media": "all"}},
        {"owner": {"user_id": str(OWNER + 1)}},
        {"owner": {}},
    ],
)
def test_F11_one_ill_typed_member_spoils_the_whole_page(change: Json) -> None:
    with pytest.raises(Malformed):
        read_list(raw(page(doc(7), doc(8, **change))))


def test_F33_a_title_of_a_megabyte_is_cut_and_spoils_nothing() -> None:
    for words in ("x" * 1_000_000, "\u202e🌅" * 500_000):
        found = read_list(raw(page(doc(7, title=words), doc(8, title="Evening"))))
        assert [shown.facts.title for shown in found.documents] == [words[:1000], "Evening"]
        tags = {
            "tag": [{"tag_id": "1", "type": "keyword", "keyword": f"{place}{words[:1000]}"} for place in range(1200)]
        }
        whole = read_doc(raw(full_doc(title=words, description=words, tags=tags)))
        assert whole.facts.title == words[:1000]
        assert whole.details.description == words[:200_000]
        assert {len(tag) for tag in whole.details.tags} == {1000}
        assert len(whole.details.tags) == 1000


@pytest.mark.parametrize(
    "change",
    [
        {"total": "many"},
        {"total": "-1"},
        {"total": None},
        {"total": "100000001"},
        {"pages": ""},
        {"pages": "1e99"},
        {"page": "2"},
        {"page": "0"},
        {"page": None},
        {"per_page": "0"},
        {"per_page": "101"},
        {"doc": None},
        {"doc": "none"},
        {"doc": [None]},
        {"doc": [["1"]]},
    ],
)
def test_F11_F16_a_page_that_makes_no_sense_is_no_answer(change: Json) -> None:
    with pytest.raises(Malformed):
        read_list(raw(page(**change)))


def test_F11_more_than_a_hundred_documents_are_no_page() -> None:
    assert len(read_list(raw(page(*(doc(one) for one in range(1, 101))))).documents) == 100
    with pytest.raises(Malformed, match="too many"):
        read_list(raw(page(*(doc(one) for one in range(1, 102)))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"ok"',
        b"<html><body>Maintenance</body></html>",
        b'{"api":{"status":"ok"}}',
        b'{"api":{"status":"fine"},"docs":{"total":"0","page":"1","pages":"0"}}',
        b'{"api":"ok","docs":{"total":"0","page":"1","pages":"0"}}',
        b'{"docs":{"total":"0","page":"1","pages":"0"}}',
        raw(page(doc(7))) + b"x",
        raw(page(doc(7))) * 2,
        b"\xef\xbb\xbf" + raw(page(doc(7))),
        raw(page(doc(7))).replace(b"photo", b"ph\xffoto"),
        raw(page(doc(7, unknown="u"))).replace(b'"u"', b'"\xff"'),
        raw(page(doc(7))).replace(b'"photo"', b'"\\ud800"'),
        raw(page(doc(7))).replace(b'"11"', b"NaN"),
        raw(page(doc(7))).replace(b'"11"', b"Infinity"),
        raw(page(doc(7))).replace(b'"11"', b"9" * 100_000),
        raw(page(doc(7))).replace(b'"11"', b'"' + b"9" * 100_000 + b'"'),
        raw(page(doc(7))).replace(b'"11"', b"[" * 100_000 + b"]" * 100_000),
        raw(page(doc(7))).replace(b'"Girona"', b"[" * 100_000 + b"]" * 100_000),
        raw(page(doc(7))).replace(b'"Girona"', b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ],
    ids=range(23),
)
def test_F10_F11_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_list(body)


READERS: list[tuple[Callable[[bytes], object], Json]] = [
    (read_list, page(doc(7), doc(8, title=":colon"), doc(9, medias={"media": [{"url": "https://u/m", "w": "1"}]}))),
    (read_doc, full_doc()),
    (read_grant, auth(permissions={"doc": "read"})),
    (
        read_profile,
        {"api": OK, "user": {"user_id": str(OWNER), "username": "o", "is_closed": "0", "count": {"docs": "1"}}},
    ),
]
EACH = pytest.mark.parametrize(("read", "answer"), READERS, ids=["list", "doc", "auth", "user"])


@EACH
def test_F11_an_answer_cut_anywhere_is_no_answer(read: Callable[[bytes], object], answer: Json) -> None:
    body = raw(answer)
    read(body)
    for length in range(len(body)):
        with pytest.raises(Malformed):
            read(body[:length])


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything within a value."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, element in inner:
        yield from spots(element, (*path, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


class Twice(dict[str, Any]):
    """An object that writes one of its names twice."""

    def __init__(self, value: Json, name: str) -> None:
        super().__init__(value)
        self.name = name

    def items(self) -> Any:
        return [*super().items(), (self.name, self[self.name])]


@EACH
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")])
def test_F11_a_name_said_twice_spoils_the_answer(
    read: Callable[[bytes], object], answer: Json, separators: tuple[str, str]
) -> None:
    read(json.dumps(answer, separators=separators).encode())
    for path in spots(answer):
        if isinstance(path[-1], str):
            twice = copy.deepcopy(answer)
            if len(path) == 1:
                twice = Twice(twice, path[0])
            else:
                at(twice, path[:-2])[path[-2]] = Twice(at(twice, path[:-1]), path[-1])
            body = json.dumps(twice, separators=separators).encode()
            with pytest.raises(Malformed):
                read(body)


def test_F11_a_name_spelled_two_ways_is_said_twice() -> None:
    assert repeats_a_name(b'{"license":"1","licens\\u0065":"2"}')
    assert repeats_a_name(b'{"license":"1","license" :"2"}')
    assert repeats_a_name(b'{"a":[{"b":1},{"b":1,"b":":"}]}')
    assert not repeats_a_name(b'{"a":":b","c":"\\u003a\\":","d" : [":",":"]}')


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1", "0", "-1", "5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def sound(found: object) -> None:
    """Whatever was accepted is well typed and within bounds."""
    if isinstance(found, ListingPage):
        assert found.page == 1
        assert found.pages >= 1
        assert 0 <= found.total <= 100_000_000
        assert len({document.document_id for document in found.documents}) == len(found.documents) <= 100
        for document in found.documents:
            assert 1 <= document.document_id < 2**63
            sound(document.facts)
    elif isinstance(found, Seen):
        assert (found.document_id, found.owner_id) == (1, OWNER)
        sound(found.facts)
    elif isinstance(found, Facts):
        assert isinstance(found.media, Media)
        assert isinstance(found.safety, Safety)
        assert isinstance(found.visibility, Visibility)
        assert type(found.license) is int
        assert type(found.title) is str
        found.title.encode()
        for instant in (found.posted_at, found.modified_at, found.replaced_at):
            assert instant is None or (type(instant) is int and 0 < instant <= 253_402_300_799 * SECOND)
        for degrees in (found.latitude, found.longitude):
            assert degrees is None or -180 <= degrees <= 180
    else:
        assert isinstance(found, Granted | Profile)
        assert found.account_id >= 1


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(READERS), st.data())
def test_F10_F11_a_member_changed_into_anything_is_rejected_whole_or_sound(
    reader: tuple[Callable[[bytes], object], Json], data: st.DataObject
) -> None:
    read, answer = reader
    answer = copy.deepcopy(answer)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(spots(answer), key=repr)))
        if data.draw(st.booleans()):
            at(answer, path[:-1])[path[-1]] = data.draw(JUNK)
        else:
            del at(answer, path[:-1])[path[-1]]
            if not answer:
                return
    try:
        found = read(json.dumps(answer).encode("utf-8", "surrogatepass"))
    except SourceFailure:
        return
    sound(found)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(READERS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_F10_F11_bytes_changed_into_anything_are_rejected_whole_or_sound(
    reader: tuple[Callable[[bytes], object], Json], changes: list[tuple[int, int]]
) -> None:
    read, answer = reader
    body = bytearray(raw(answer))
    for place, value in changes:
        body[place % len(body)] = value
    try:
        found = read(bytes(body))
    except SourceFailure:
        return
    sound(found)


@given(st.binary(max_size=200))
def test_F11_any_bytes_are_a_failure(body: bytes) -> None:
    for read, _ in READERS:
        with pytest.raises(Malformed):
            read(body)


def test_a_frob_is_read() -> None:
    read = partial(
        understood, "auth.getFrob", sent_at=SENT_AT, shape=wire.AUTH, read=lambda found, _: answers.frob(found)
    )
    assert read(b'{"api":{"status":"ok"},"auth":{"frob":"f-1"}}') == "f-1"
    for body in (
        b'{"api":{"status":"ok"},"auth":{"frob":""}}',
        b'{"api":{"status":"ok"},"auth":{}}',
        b'{"api":{"status":"ok"}}',
    ):
        with pytest.raises(Malformed):
            read(body)


@pytest.mark.parametrize(
    ("renditions", "extra", "thumbnail"),
    [
        ((), "dates,md5,geo", None),
        (("240",), "dates,md5,geo", "240"),
        (("240", "100", "75x"), "dates,md5,geo", "240"),
        ((ORIGINAL, "250x"), "dates,md5,geo,original", "250x"),
        ((MEDIA, ORIGINAL), "dates,md5,geo,original,medias", None),
    ],
)
def test_only_what_is_wanted_is_asked_for(renditions: tuple[str, ...], extra: str, thumbnail: str | None) -> None:
    assert answers.extras(renditions) == (extra, thumbnail)


def test_an_unknown_rendition_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="huge"):
        answers.extras(("huge",))
