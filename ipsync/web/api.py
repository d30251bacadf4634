"""How an address of the API is declared: once, for its route, its scope, and its place in `/v1/openapi.json`.

What is not declared here has no route, and what has a route is described: the two cannot drift apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from ipsync.policy.read_tokens import TokenScope
from ipsync.web.authentication import guarded

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 uses it."""

JSON = "application/json"
ANY_FILE = "*/*"


class Where(StrEnum):
    """Where a parameter stands in a request."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as it is sent.
        description: a sentence.
        schema: what it may be.
        where: in the request.
        route: for a path, the regular expression by which the route takes it; everything else is a 404.
    """

    name: str
    description: str
    schema: Schema
    where: Where = Where.QUERY
    route: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        description: a sentence.
        schema: the name of a schema in the document's components; "" for an answer without JSON.
        content_type: of the body; "" for none.
        headers: what they tell, by name.
    """

    description: str
    schema: str = ""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of the API, answered to GET and HEAD.

    Attributes:
        path: with `{name}` for each path parameter, as `/v1/documents/{document_id}`.
        name: of the route, in metrics and as the operation's id.
        handler: answers; who asks is in `request[CALLER]`.
        scope: what a token must open; None for everybody.
        summary: a few words.
        description: what one must know to use it.
        parameters: all there are; any other in the query is refused by the handler.
        replies: by status. Those that the door gives (401, 403, 429, 503) are added.
        schemas: what the replies name and is declared nowhere else.
    """

    path: str
    name: str
    handler: Handler
    scope: TokenScope | None
    summary: str
    replies: Mapping[int, Reply]
    description: str = ""
    parameters: Sequence[Parameter] = ()
    schemas: Mapping[str, Schema] = field(default_factory=dict)

    def route(self) -> web.RouteDef:
        """The route, guarded by the scope."""
        pattern = self.path
        for parameter in self.parameters:
            if parameter.where is Where.PATH:
                pattern = pattern.replace(f"{{{parameter.name}}}", f"{{{parameter.name}:{parameter.route}}}")
        handler = self.handler if self.scope is None else guarded(self.handler, self.scope)
        return web.get(pattern, handler, name=self.name)
