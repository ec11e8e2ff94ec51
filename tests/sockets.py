"""Where the processes of a run listen."""

from contextlib import suppress
from ipaddress import ip_address

import psutil


def listening(root: int) -> dict[str, set[str]]:
    """Address to the names of the processes that listen there: of `root` and all below it."""
    found: dict[str, set[str]] = {}
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(root)
        for process in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                for address in _addresses(process):
                    found.setdefault(address, set()).add(process.name())
    return found


def _addresses(process: psutil.Process) -> set[str]:
    """TCP that accepts connections, UDP that is bound and not connected."""
    connections = process.net_connections("inet")
    waits = (psutil.CONN_LISTEN, psutil.CONN_NONE)
    bound = [each for each in connections if len(each.laddr) and not len(each.raddr)]
    return {each.laddr.ip for each in bound if each.status in waits}


def beyond_loopback(addresses: dict[str, set[str]]) -> dict[str, set[str]]:
    """Those that another machine could reach."""
    return {
        address: names
        for address, names in addresses.items()
        if not ip_address(address.removeprefix("::ffff:")).is_loopback
    }
