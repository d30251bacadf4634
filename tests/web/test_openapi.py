"""`/v1/openapi.json` and the routes are one: what is described is answered, and what is answered is described."""

import re

import pytest

from ipsync.policy.instants import MINUTE
from ipsync.policy.read_tokens import TokenScope
from ipsync.web.api import JSON, Endpoint, Reply
from ipsync.web.app import API, build_app
from ipsync.web.openapi import describe


@pytest.fixture
async def described(client):
    answer = await client.get("/v1/openapi.json", token=False)
    assert answer.status == 200
    return answer.json()


async def test_every_route_of_the_api_is_described_and_every_description_has_a_route(world, described):
    routes = {
        re.sub(r"\{(\w+):.*?\}(?=/|$)", r"{\1}", resource.canonical)
        for resource in build_app(world.parts()).router.resources()
        if resource.canonical.startswith(("/v1/", "/media/"))
    }
    assert routes == set(described["paths"])
    assert {"/v1/documents/{document_id}", "/media/{document_id}/{rendition}", "/v1/accounts"} <= routes


async def test_what_needs_no_token_says_so_and_everything_else_names_its_scope(world, client, described):
    for path, item in described["paths"].items():
        world.clock.jump(MINUTE)  # ten wrong tokens a minute are answered, and no more
        security = item["get"]["security"]
        known = re.sub(r"\{\w+\}", "5", path).replace("/media/5/5", "/media/5/240")
        answer = await client.get(known, token=False)
        if path == "/v1/openapi.json":
            assert (security, answer.status) == ([], 200)
        else:
            assert answer.status == 401, path
            [[scope]] = [entry["readToken"] for entry in security]
            assert scope in set(TokenScope)


async def test_T20_every_list_of_the_api_ends_at_fifty(world, client):
    lists = [endpoint for endpoint in API if "limit" in {parameter.name for parameter in endpoint.parameters}]
    assert {"/v1/documents", "/v1/albums", "/v1/albums/{album_id}", "/v1/changes"} <= {entry.path for entry in lists}
    for endpoint in lists:
        assert [entry.schema["maximum"] for entry in endpoint.parameters if entry.name == "limit"] == [50]
        if "{" not in endpoint.path:
            assert (await client.get(f"{endpoint.path}?limit=51")).json()["error"]["code"] == "bad-limit"
            assert (await client.get(f"{endpoint.path}?limit=50")).status == 200


async def test_each_operation_has_a_name_a_summary_and_its_failures(described):
    operations = {path: item["get"] for path, item in described["paths"].items()}
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)
    for path, operation in operations.items():
        assert operation["summary"]
        assert set(re.findall(r"\{(\w+)\}", path)) == {
            entry["name"] for entry in operation.get("parameters", ()) if entry["in"] == "path"
        }
        if operation["security"]:
            assert {"401", "403", "429", "503"} <= set(operation["responses"])
        for reply in operation["responses"].values():
            for content in reply.get("content", {}).values():
                name = content.get("schema", {}).get("$ref", "#/components/schemas/Error").rpartition("/")[2]
                assert name in described["components"]["schemas"]


async def test_the_description_is_for_everybody_and_kept_a_while(client):
    first = await client.get("/v1/openapi.json", token=False)
    assert first.headers["Cache-Control"] == "public, max-age=300"
    again = await client.get("/v1/openapi.json", token=False, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert (await client.get("/v1/openapi.json?x=1", token=False)).status == 400


def test_two_shapes_under_one_name_are_refused():
    replies = {200: Reply("", "Thing", JSON)}
    one, other = (
        Endpoint(path, path, API[0].handler, None, "", replies, schemas={"Thing": {"type": kind}})
        for path, kind in (("/v1/a", "string"), ("/v1/b", "object"))
    )
    with pytest.raises(ValueError, match="declared twice"):
        describe([one, other])
