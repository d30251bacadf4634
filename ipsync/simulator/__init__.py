"""An ipernity of our own: for the demo, the tests and the benchmarks.

It speaks the wire format of the real service so that other people's clients work on it unchanged, reads and
writes, keeps its error codes, signatures, permissions and quotas, and can be told to misbehave. It imports nothing
of ipsync, so that it can contradict it.

`World` is the service without a socket, on any clock; `Simulator` puts one behind a loopback socket. aiohttp is
only imported when `Simulator` is asked for.
"""

from typing import TYPE_CHECKING, Any

from ipsync.simulator.dispatcher import Call
from ipsync.simulator.signature import sign
from ipsync.simulator.world import Answer, World

if TYPE_CHECKING:
    from ipsync.simulator.serving.server import Options, Simulator, run, serve

__all__ = ["Answer", "Call", "Options", "Simulator", "World", "run", "serve", "sign"]

_ON_SOCKETS = frozenset({"Options", "Simulator", "run", "serve"})


def __getattr__(name: str) -> Any:
    if name in _ON_SOCKETS:
        from ipsync.simulator.serving import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
