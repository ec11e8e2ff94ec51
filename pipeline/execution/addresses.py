"""Whether somebody listens at the address of a service, asked with a time limit.

Ray itself would wait for minutes at an address where nobody is.
"""

import socket
from urllib.parse import urlsplit

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}


def host_and_port(address: str) -> tuple[str, int] | None:
    """Of `HOST:PORT` or a URL; None where the address names none."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def answers(host: str, port: int) -> bool:
    """Whether a connection can be made within five seconds."""
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False
