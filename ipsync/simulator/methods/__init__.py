"""What each method of the API does, one module per group of methods.

A method is a function of the world, the caller and the parameters; it returns the members of the answer beside
`api`, or raises `ApiError`. Whether the call was signed, allowed and in its quota has been decided before.
"""

from collections.abc import Callable
from typing import Any

from ipsync.simulator.caller import Caller
from ipsync.simulator.methods import about, access, albums, documents, folders, groups, listings, marks, posts
from ipsync.simulator.params import Params
from ipsync.simulator.state import State

Handler = Callable[[State, Caller, Params], dict[str, Any]]

HANDLERS: dict[str, Handler] = {
    **about.CALLS,
    **access.CALLS,
    **albums.CALLS,
    **documents.CALLS,
    **folders.CALLS,
    **groups.CALLS,
    **listings.CALLS,
    **marks.CALLS,
    **posts.CALLS,
}
"""Methods that take parameters only; uploads, which bring a file, are in `uploads`."""
