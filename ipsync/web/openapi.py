"""`/v1/openapi.json`: the API described for programs (OpenAPI 3.1), from the declarations that make the routes."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

import ipsync
from ipsync.policy.read_tokens import TokenScope
from ipsync.web.answers import tagged
from ipsync.web.api import JSON, Endpoint, Parameter, Reply, Schema, Where
from ipsync.web.failures import bad_request

DESCRIPTION = web.AppKey("DESCRIPTION", dict[str, Any])

_SCHEME = "readToken"
_ABOUT = (
    "What this mirror of documents at ipernity may show now, by the permission of their owners. Show owner, license "
    "and link with each document; stop showing it at serve_until unless you ask again; take 404 and 410 as: take it "
    "away now."
)
_SCOPES = {
    TokenScope.DOCUMENTS: "documents and accounts",
    TokenScope.MEDIA: "the files",
    TokenScope.CHANGES: "what appeared, changed, was hidden or is gone",
}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "pattern": "^[a-z0-9_-]+$", "description": "a fixed word for programs"},
                "message": {"type": "string", "description": "a sentence for people"},
            },
        }
    },
}
_RETRY = {"Retry-After": "after how many seconds to try again"}
_OF_THE_DOOR = {
    401: Reply("No token, or not a valid one.", "Error", headers={"WWW-Authenticate": "how to show one"}),
    403: Reply("The token does not open this.", "Error"),
    429: Reply("Too many wrong tokens came from this address.", "Error", headers=_RETRY),
    503: Reply("This cannot be answered now.", "Error", headers=_RETRY),
}


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Describe the API.

    Args:
        endpoints: all there are.

    Raises:
        ValueError: two of them declare different schemas under one name.
    """
    schemas: dict[str, Schema] = {"Error": _ERROR}
    for endpoint in endpoints:
        for name, schema in endpoint.schemas.items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"the schema {name} is declared twice, differently")
    return {
        "openapi": "3.1.0",
        "info": {"title": "ipsync", "version": ipsync.__version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                _SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A read token (`ipsync token create`) with the scope that the operation names; "
                    + "; ".join(f"{scope}: {opens}" for scope, opens in _SCOPES.items())
                    + ". The admin token opens all.",
                }
            },
        },
    }


async def openapi(request: web.Request) -> web.StreamResponse:
    """`GET /v1/openapi.json`."""
    if request.query:
        raise bad_request("bad-parameter", "There are no parameters here.")
    headers = {"Cache-Control": "public, max-age=300"}
    return tagged(request, request.app[DESCRIPTION], headers)


OPENAPI = Endpoint(
    path="/v1/openapi.json",
    name="openapi",
    handler=openapi,
    scope=None,
    summary="This description",
    replies={200: Reply("The API, as OpenAPI 3.1.", "Description", headers={"ETag": "changes with the description"})},
    schemas={"Description": {"type": "object", "required": ["openapi", "info", "paths"]}},
)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    replies = dict(endpoint.replies)
    if endpoint.scope is not None:
        replies = {**_OF_THE_DOOR, **replies}
    if not any(parameter.where is Where.PATH for parameter in endpoint.parameters):
        replies.setdefault(400, Reply("A parameter is wrong or not known here.", "Error"))
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "responses": {str(status): _reply(replies[status]) for status in sorted(replies)},
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in endpoint.parameters]
    # Without OAuth there is no place for scopes but the list beside the scheme's name (OpenAPI 3.1 allows roles there).
    operation["security"] = [] if endpoint.scope is None else [{_SCHEME: [endpoint.scope.value]}]
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where.value,
        "description": parameter.description,
        "required": parameter.where is Where.PATH,
        "schema": parameter.schema,
    }


def _reply(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = {"description": reply.description}
    if reply.headers:
        told["headers"] = {
            name: {"description": words, "schema": {"type": "string"}} for name, words in reply.headers.items()
        }
    if reply.content_type == JSON and reply.schema:
        told["content"] = {JSON: {"schema": _reference(reply.schema)}}
    elif reply.content_type and not reply.schema:
        told["content"] = {reply.content_type: {}}
    return told


def _reference(name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
