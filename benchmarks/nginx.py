"""A real nginx in front of a server, with the configuration that docs/how-to/nginx-in-front.md tells; for tests too."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "nginx-in-front.md"
_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 4096;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    types {{ }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream ipsync {{ server {upstream_host}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        server_name _;
{upstream}
        location /_bare/ {{ alias {content}/; }}
{internal}
    }}
}}
"""


def nginx() -> str | None:
    """The program, or None where it is not installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def told_blocks(content: Path) -> tuple[str, str]:
    """The two locations as the page tells them, for this folder."""
    blocks = re.findall(r"^```nginx\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    upstream = re.search(r"^    location / \{.*?^    \}", blocks[0], re.MULTILINE | re.DOTALL)
    if upstream is None:
        raise RuntimeError(f"{_PAGE} tells no location")
    return (
        upstream[0],
        blocks[1].replace("/var/lib/ipsync/content/", f"{content}/"),
    )


@contextmanager
def fronted(folder: Path, address: str, content: Path) -> Iterator[str]:
    """Run nginx in front of the server at `address`; gives nginx's own address."""
    program = nginx()
    if program is None:
        raise RuntimeError("nginx is not installed")
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    upstream, internal = told_blocks(content)
    file = folder / "nginx.conf"
    file.write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            upstream_host=address.removeprefix("http://"),
            upstream=upstream,
            internal=internal,
            content=content,
        )
    )
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")])
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError("nginx ended")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("nginx does not listen")
