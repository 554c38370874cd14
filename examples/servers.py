"""Servers for the examples: an EPICS IOC and Tango devices, as at a small beamline.

Other examples use them: there is nothing to run here. They come with ophyd-async and
caproto, take free ports on 127.0.0.1, need no database, and end with the `with`
statement. At a beamline they are there already: leave this out.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from subprocess import PIPE, Popen

from ophyd_async.epics import demo as epics
from ophyd_async.epics import testing as epics_testing
from ophyd_async.tango import demo as tango
from ophyd_async.tango import testing as tango_testing
from ophyd_async.testing import find_free_port

# Where the IOC listens, and where clients look: nothing is broadcast. Clients take it
# from here when the first one is made, and that may be when the RunEngine is
os.environ |= {
    "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_CAS_SERVER_PORT": (port := str(find_free_port())),
    "EPICS_CAS_BEACON_PORT": str(find_free_port()),
    "EPICS_CA_AUTO_ADDR_LIST": "NO",
    "EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}",
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_SERVER_PORT": str(find_free_port()),
    "EPICS_PVAS_BROADCAST_PORT": str(find_free_port()),
}


@contextmanager
def start_epics() -> Generator[str]:
    """Start an IOC with a stage of two motors and a detector, and yield its prefix."""
    prefix = epics_testing.generate_random_pv_prefix()
    ioc = epics_testing.start_ioc(epics.IOC, prefix, "3")
    try:
        yield prefix
    finally:
        ioc.stop()


@contextmanager
def start_motor_records() -> Generator[str]:
    """Start an IOC of caproto with motor records `mtr1` to `mtr3`, yield its prefix."""
    command = ["-u", "-m", "caproto.ioc_examples.fake_motor_record"]
    options = ["--prefix", "sim:", "--interfaces", "127.0.0.1"]
    here = os.environ | {"EPICS_CA_SERVER_PORT": port}
    command = [sys.executable, *command, *options]
    with Popen(command, stdout=PIPE, text=True, env=here) as ioc:
        try:
            while "startup complete" not in ioc.stdout.readline():  # type: ignore
                if ioc.poll() is not None:
                    raise RuntimeError("the IOC has ended")
            yield "sim:"
        finally:
            ioc.terminate()
            ioc.communicate()


@contextmanager
def start_tango() -> Generator[str]:
    """Start devices for two motors and a detector, and yield how to address them."""
    prefix, port = tango_testing.generate_random_trl_prefix(), find_free_port()
    start = tango_testing.start_tango_device_servers
    servers = start(tango.DEVICE_SERVERS, prefix, str(port), "3")
    try:
        yield tango_testing.trl(prefix, port, "{}")  # for str.format
    finally:
        servers.stop()
