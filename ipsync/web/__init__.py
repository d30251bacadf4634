"""The HTTP server: probes, the privacy page, documents and files for applications.

The only room for the server half of aiohttp and for jinja2. It reads; what is shown is decided by
`policy` on every answer, and nothing here changes the catalog or the store.
"""

from ipsync.web.app import build_app
from ipsync.web.connections import Limits
from ipsync.web.parts import Operator, WebParts
from ipsync.web.server import WebServer

__all__ = ["Limits", "Operator", "WebParts", "WebServer", "build_app"]
