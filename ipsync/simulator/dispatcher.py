"""From a call to its answer: key, signature, quota, token, POST, permission, and then the method itself.

Pure semantics: what a call carries comes in as values, the answer goes out as a dictionary or an `ApiError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ipsync.simulator.caller import Caller
from ipsync.simulator.errors import ApiError
from ipsync.simulator.methods import HANDLERS, uploads
from ipsync.simulator.methods.shapes import Element
from ipsync.simulator.params import Params
from ipsync.simulator.quota import RateLimits
from ipsync.simulator.signature import is_signed
from ipsync.simulator.state import State
from ipsync.simulator.table import Method, methods

NOT_IN_SERVICE = frozenset({"doc.albums.add"})
"""Methods that are listed and yet answer 103."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API.

    Args:
        method: as `doc.getList`.
        params: decoded parameters.
        remote: address of the client.
        post: whether it came by POST.
        response_format: what the address asked for; `json` if it did not say.
        file: the uploaded file, if there was one.
    """

    method: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    remote: str = "127.0.0.1"
    post: bool = True
    response_format: str = "json"
    file: uploads.SentFile | None = None


class Dispatcher:
    """Answers calls from a state.

    Args:
        state: the world.
        limits: the quotas in force; None: no limits.
    """

    def __init__(self, state: State, limits: RateLimits | None = None) -> None:
        self._state = state
        self._methods = methods()
        self.limits = limits or RateLimits()

    def knows(self, name: str) -> bool:
        """Tell whether the service lists a method of this name."""
        return name in self._methods

    def answer(self, call: Call) -> Element:
        """Return the members of the answer beside `api`.

        Raises:
            ApiError: the refusal.
        """
        uploads.settle(self._state)
        method = self._admitted(call)
        caller = self._caller(call, method)
        if method.post and not call.post:
            raise ApiError(120)
        if method.name in NOT_IN_SERVICE:
            raise ApiError(103)
        for realm, level in method.permissions.items():
            if (caller.token or method.token) and not caller.may(realm, level):
                raise ApiError(110)
        return self.perform(call, caller)

    def perform(self, call: Call, caller: Caller) -> Element:
        """Return what the method answers this caller, without any of the checks before it."""
        params = Params(call.params)
        if upload := uploads.CALLS.get(call.method):
            return upload(self._state, caller, params, call.file)
        if handler := HANDLERS.get(call.method):
            return handler(self._state, caller, params)
        raise ApiError(503, "This method is not available in the simulator")

    def _admitted(self, call: Call) -> Method:
        """Return the method called, after key, signature, address and quota were found good."""
        application = self._state.application
        if call.response_format != "json":
            if call.response_format in ("xml", "php"):
                raise ApiError(102, "The simulator answers in JSON only")
            raise ApiError(102)
        method = self._methods.get(call.method)
        if method is None:
            raise ApiError(103)
        key = call.params.get("api_key", "")
        if not key:
            raise ApiError(100)
        if key != application.api_key or application.disabled:
            raise ApiError(101)
        if application.addresses is not None and call.remote not in application.addresses:
            raise ApiError(111)
        self.limits.admit(call.remote, self._state.now())
        if "api_sig" not in call.params:
            if method.sign or method.token or "auth_token" in call.params:
                raise ApiError(104)
        elif not is_signed(call.params, application.secret, call.method):
            raise ApiError(105)
        return method

    def _caller(self, call: Call, method: Method) -> Caller:
        """Return whom the call speaks for; a bad token is refused on every method."""
        value = call.params.get("auth_token", "")
        if not value:
            if method.token:
                raise ApiError(106)
            return Caller()
        token = self._state.tokens.get(value)
        if token is None:
            raise ApiError(107)
        if token.member.closed:
            raise ApiError(108)
        return Caller(token)
