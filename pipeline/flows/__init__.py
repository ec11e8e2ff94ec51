"""Prefect flows: when the parts of the benchmark run, and who sees it.

The settings below are read when Prefect is imported. They keep everything on this machine: own home, no
telemetry, no adverts, nothing for ourselves through a proxy, nothing of what the user's own server has; and
they let the own server of a run write down every task before it stops.
"""

import os
from importlib.util import find_spec
from pathlib import Path

# Where a server is, how to reach it, and what Prefect's processes tell each other. Whatever else a shell says
# to Prefect, such as another database, a profile or a broker, is of other work on this machine.
_TAKEN = (
    *("PREFECT_HOME", "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_API_SSL"),
    *("PREFECT_API_TLS", "PREFECT_CLIENT_", "PREFECT__"),
)
if "PREFECT__SERVER_FINAL" not in os.environ:  # our server has its settings in its environment
    for _name in [name for name in os.environ if name.startswith("PREFECT_") and not name.startswith(_TAKEN)]:
        del os.environ[_name]

for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_HOME": str(Path.cwd() / ".prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    # A server that Prefect starts by itself asks for no password (see `prefect_server`).
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    # The page of a run shows everything; the console belongs to our own progress lines, and an error that
    # ends the run is shown by the stage, once.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # it prints whole events where the server is gone
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
}.items():
    os.environ.setdefault(_name, _value)

# Prefect fails at its import where httpx cannot use what these name, and nothing of ours goes there.
for _name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
    if not Path(os.environ.get(_name, ".")).exists():
        del os.environ[_name]
_schemes = {"", "http", "https", *(("socks5", "socks5h") if find_spec("socksio") else ())}
for _name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
    if os.environ[_name].rpartition("://")[0].lower() not in _schemes:
        del os.environ[_name]

_SELF = "127.0.0.1,localhost"
_elsewhere = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
if _elsewhere != "*":  # a proxy for nothing at all
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{_elsewhere},{_SELF}" if _elsewhere else _SELF
