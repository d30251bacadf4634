"""What the mirror as it stands will cost, and how soon removals are noticed, as `ipsync plan` tells it.

It reads the catalog, asks nothing and changes nothing.
"""

from ipsync.jobs.admission import candidates, listed_loads
from ipsync.policy.admission import Capacity, decide
from ipsync.policy.forecast import Forecast, forecast
from ipsync.policy.planner import Cadence
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View


def forecast_now(view: View, rules: Rules, requests_per_hour: float) -> Forecast:
    """Forecast for everyone who is read on this budget; who does not fit it costs nothing.

    Args:
        view: the catalog.
        rules: the window, the outage to be prepared for, and which listings are mirrored.
        requests_per_hour: what the budget is believed to allow.
    """
    capacity = Capacity(requests_per_hour, rules.lease, rules.outage)
    wanted = rules.view.visibility
    refused = decide(candidates(view, wanted), capacity).refused
    read = [load for load in listed_loads(view, wanted) if load.account_id not in refused]
    return forecast(read, capacity, Cadence.of(rules.lease, rules.outage))
