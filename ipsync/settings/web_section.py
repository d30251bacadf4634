"""The `[web]` table: where pages and the API are, and who sends the files."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ipsync.settings import addresses, units
from ipsync.settings.section import Section

NO_ACCEL, X_ACCEL, X_SENDFILE = "none", "x-accel-redirect", "x-sendfile"
ACCEL_HEADERS = {NO_ACCEL: "", X_ACCEL: "X-Accel-Redirect", X_SENDFILE: "X-Sendfile"}
"""Who may send the files, and the header by which a front server is told to."""

ACCEL_PREFIX = "/_content/"
"""The internal location of the front server, unless another one is configured."""


class Web(Section):
    """Pages, probes and the API for applications."""

    listen: Annotated[str, BeforeValidator(addresses.read_listen), units.Unit("address:port")] = Field(
        default="127.0.0.1:8480",
        description="where to listen; beyond this machine it needs public_url, and a front server for https",
    )
    public_url: Annotated[str, BeforeValidator(addresses.read_page_url), units.URL] = Field(
        default="",
        description="the address that members and applications use, https; ipernity leads members back to it",
    )
    front_servers: Annotated[
        tuple[str, ...], BeforeValidator(addresses.read_networks), units.Unit("list of addresses or networks", list)
    ] = Field(
        default=(),
        description="servers in front whose word is taken for which visitor they stand (X-Forwarded-For), so that each "
        "visitor is counted alone; one on this machine needs no entry",
    )

    accel: Annotated[str, BeforeValidator(units.word({word: word for word in ACCEL_HEADERS})), units.WORD] = Field(
        default=NO_ACCEL,
        description=f'who sends the files, of {units.listed(ACCEL_HEADERS)}: "{NO_ACCEL}" is ipsync itself; the others '
        "are the headers by which it leaves that to the server in front, after looking at the lease each time",
    )
    accel_prefix: Annotated[str, BeforeValidator(addresses.read_accel_prefix), units.TEXT] = Field(
        default="",
        description="what stands before account/document/file in that header; without it, for x-accel-redirect the "
        f'internal location "{ACCEL_PREFIX}", for x-sendfile the folder of the copies',
    )

    @property
    def host(self) -> str:
        """The address to listen at, without brackets."""
        return addresses.split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port to listen at; 0 takes any free one."""
        return addresses.split_listen(self.listen)[1]

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return addresses.is_loopback(self.host)
