"""The HTTP server: probes, the privacy page, documents and files for applications.

The only room for the server half of aiohttp and for jinja2. It reads; what is shown is decided by
`policy` on every answer. What a member or an owner asks for is done by jobs, nothing by a handler itself.
"""

from ipsync.web.app import build_app
from ipsync.web.connections import Limits
from ipsync.web.cursors import Cursors
from ipsync.web.desk import Desk
from ipsync.web.parts import Accel, Operator, WebJobs, WebParts
from ipsync.web.server import WebServer
from ipsync.web.telling import ChangeTeller

__all__ = [
    "Accel",
    "ChangeTeller",
    "Cursors",
    "Desk",
    "Limits",
    "Operator",
    "WebJobs",
    "WebParts",
    "WebServer",
    "build_app",
]
