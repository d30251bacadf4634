"""`api.methods.*`: what the service says about itself."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.errors import ApiError
from ipsync.simulator.methods.shapes import Element, flag, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State
from ipsync.simulator.table import Method, methods


def _method(method: Method) -> Element:
    needs = {"post": flag(method.post), "sign": flag(method.sign), "token": flag(method.token)}
    return {
        "name": method.name,
        "service": method.service,
        "title": method.title,
        "authentication": needs,
        "permissions": dict(method.permissions),
    }


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `api.methods.getList`."""
    return {"methods": {"method": [_method(method) for method in methods().values()]}}


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `api.methods.get`."""
    method = methods().get(params.required("method"))
    if method is None:
        raise ApiError(1, "There is no such method")
    known = [{"name": one.name, "required": flag(one.required)} for one in method.parameters or ()]
    return {"method": {**_method(method), "parameters": with_list({}, "param", known)}}


CALLS = {"api.methods.getList": get_list, "api.methods.get": get}
