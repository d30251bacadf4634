"""`/api/[method]` and `/api/[method]/[format]`: from a request to a `Call`, and back."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http import HttpProcessingError

from ipsync.simulator.dispatcher import Call
from ipsync.simulator.methods.uploads import SentFile
from ipsync.simulator.serving.sending import send
from ipsync.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FORM = "application/x-www-form-urlencoded"


async def _read(request: web.Request) -> tuple[dict[str, str], SentFile | None]:
    """Return the parameters of address and body, and the uploaded file if there is one."""
    params = dict(request.query)
    if request.method != "POST":
        return params, None
    if request.content_type == _FORM:
        body = await request.read()
        params.update(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        return params, None
    file = None
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            with value.file as sent:
                content = sent.read()
            if name == "file":
                file = SentFile(value.filename, content)
        elif isinstance(value, str):
            params[name] = value
        else:
            params[name] = bytes(value).decode(errors="replace")
    return params, file


def api_handler(world: World) -> Handler:
    """Return the handler of every address under `/api/`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "POST"):
            return web.Response(status=405, headers={"Allow": "GET, POST"})
        method, _, response_format = request.match_info["tail"].strip("/").partition("/")
        try:
            params, file = await _read(request)
        except (ValueError, HttpProcessingError):  # a body that is no form: the call then has no parameters at all
            params, file = {}, None
        call = Call(
            method=method,
            params=params,
            remote=request.remote or "",
            post=request.method == "POST",
            response_format=response_format or "json",
            file=file,
        )
        return await send(request, world.answer(call))

    return answer
