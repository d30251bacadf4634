"""Sending an answer the way it is meant to be sent: at once, slowly, cut short, or not at all."""

import asyncio
import socket
import struct

from aiohttp import web

from ipsync.simulator.world import Answer

_PIECES = 20


async def send(request: web.Request, answer: Answer, headers: dict[str, str] | None = None) -> web.StreamResponse:
    """Send an answer; returns what aiohttp needs to end the request."""
    if answer.hang_seconds:
        await asyncio.sleep(answer.hang_seconds)
        return _hang_up(request, web.Response())
    all_headers = {"Content-Type": answer.content_type, **(headers or {})}
    if answer.reset_after is None and answer.cut_at is None and not answer.spread_seconds:
        return web.Response(body=answer.body, status=answer.status, headers=all_headers)
    return await _send_oddly(request, answer, all_headers)


async def _send_oddly(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    if answer.reset_after == 0:
        return _reset(request, web.Response())
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    if answer.reset_after is not None:
        await response.write(answer.body[: answer.reset_after])
        return _reset(request, response)
    if answer.cut_at is not None:
        await response.write(answer.body[: len(answer.body) // 2 if answer.cut_at < 0 else answer.cut_at])
        return _hang_up(request, response)
    step = max(1, -(-len(answer.body) // _PIECES))
    starts = range(0, len(answer.body), step)
    for start in starts:
        await asyncio.sleep(answer.spread_seconds / len(starts))
        await response.write(answer.body[start : start + step])
    await response.write_eof()
    return response


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """End the connection with a reset instead of a goodbye."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response
