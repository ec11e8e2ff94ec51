"""Runs a plan: in this process or on Ray, behind one interface, with finished cells kept as they come.

The settings below are read when Ray is imported: no usage report, no second Ray from a thread that is late,
and no GPU shown to a task that asked for none. A run's own Ray asks for a token, made here for the life of
this process and known to its children alone; a cluster that `RAY_ADDRESS` names has its own rules.
"""

import os
from secrets import token_hex

for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}.items():
    os.environ.setdefault(_name, _value)
if os.environ.get("RAY_ADDRESS") in ("", "local"):  # as Ray reads them: none
    del os.environ["RAY_ADDRESS"]
if "RAY_ADDRESS" in os.environ:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
else:
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}
    # Ray's name for "this machine alone": its servers then listen on loopback and on no other address.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    # Nobody starts a lost control service anew: the run ends soon, and the next one goes on from its cells.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
