"""Process that is the simulated SEC node: ``python -m secop_ophyd.demo._server``.

frappy's own ``frappy-server`` is made for a service: it listens on all network
interfaces, broadcasts itself, writes log files, ends with code 0 if its port is
taken and outlives whoever started it. Whatever it takes to make it a well-behaved
child is in this file, so that no other file depends on the inside of frappy.

The node listens on 127.0.0.1 only, prints ``PORT <number>`` as its only line on
stdout once it accepts connections, and ends at SIGTERM, SIGINT or the end of stdin.
"""

import argparse
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from pathlib import Path

import frappy.server
from frappy.lib import generalConfig
from frappy.logging import logger
from frappy.protocol.interface.tcp import TCPServer

HOST = "127.0.0.1"
ENDING = threading.Lock()


class LoopbackServer(TCPServer):
    """Serves on the socket it is given, instead of on all interfaces."""

    listener = None
    stdout = None

    def server_bind(self):
        self.socket.close()
        self.socket = self.listener
        self.server_address = self.socket.getsockname()

    def serve_forever(self, *args):
        with self.stdout:
            print("PORT", self.server_address[1], file=self.stdout)
        super().serve_forever(*args)


class NoDiscovery:
    """Stands in for frappy's UDP listener: no socket, no broadcast."""

    def __init__(self, *args):
        pass

    def run(self):
        pass

    def shutdown(self):
        pass


class Server(frappy.server.Server):
    """Server for one LoopbackServer."""

    # frappy imports the class by this name: this very module, also as __main__
    INTERFACES = {"tcp": f"{__name__}.{LoopbackServer.__name__}"}

    def signal_handler(self, *args):
        """Leave signals to `end_with_signal`."""


def listen(port):
    """Take the port before frappy does anything.

    frappy would try again for 4.5 s if it is taken, and end with code 0; and it does
    not tell the number that was chosen for port 0.
    """
    listener = socket.socket()
    if os.name != "nt":  # where it means that two may listen on one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as e:
        sys.exit(f"cannot listen on {HOST}:{port}: {e.strerror}")
    return listener


def end(workdir, code=0, message=""):
    """End the process, now.

    frappy's orderly way takes up to a second, longer if a module hangs, and none at
    all if the signal arrives in the wrong moment. A simulation has nothing to save.
    """
    ENDING.acquire()  # for good: the first one decides on the code
    shutil.rmtree(workdir, ignore_errors=True)
    if message:
        print(message, file=sys.stderr)
    os._exit(code)


def end_with_stdin(workdir):
    """End when stdin does, which is when the parent is gone, however it went."""
    # Not sys.stdin.read(): it would hold a lock
    while os.read(0, 1024):
        pass
    end(workdir)


def end_with_signal(workdir, reader):
    """End when a signal was written to this pipe."""
    os.read(reader, 1)
    end(workdir)


def catch_signals():
    """Have signals written to a pipe.

    A handler in Python is not reliable here: it runs in the main thread, which may be
    waiting for another one, and is woken only by signals that it got itself.

    :return: end of the pipe to read from
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for signum in signal.SIGTERM, signal.SIGINT:
        signal.signal(signum, lambda *args: None)  # as it needs one
    return reader


def serve(config, port, workdir, stdout):
    """Serve until told to end.

    :param config: path of the configuration, None for the demo's
    :param port: TCP port, 0 for any free one
    :param workdir: directory for files that frappy or a module may write
    :param stdout: file for the number of the port
    """
    from secop_ophyd.demo._config import DEMO_CONFIG  # see the end of this file

    LoopbackServer.listener = listen(port)
    LoopbackServer.stdout = stdout
    if config is None:
        config = workdir / "demo_cfg.py"
        config.write_text(DEMO_CONFIG, encoding="utf-8")
    elif not config.is_file():
        sys.exit(f"no such configuration: {config}")
    # Classes of one's own may be in a file next to the configuration. Last in the
    # path, as its other files may have any name
    sys.path.append(str(config.parent))
    # generalConfig.init() would look for a file of the site and for variables
    generalConfig.testinit(confdir=[config.parent], logdir=workdir, piddir=workdir)
    logger.init("error")
    frappy.server.UDPListener = NoDiscovery
    server = Server(
        config.stem,
        logger.log,
        cfgfiles=[str(config)],
        interface=LoopbackServer.listener.getsockname()[1],
    )
    server.run()


def main():
    """Run the node as the arguments say."""
    parser = argparse.ArgumentParser(description="Simulated SEC node on 127.0.0.1")
    parser.add_argument("--config", type=Path, help="frappy configuration file")
    parser.add_argument("--port", type=int, default=0, help="TCP port, 0 for any")
    parser.add_argument("--workdir", type=Path, help="is removed at the end")
    args = parser.parse_args()
    workdir = args.workdir or Path(tempfile.mkdtemp(prefix="secop-ophyd-demo-"))
    if os.name != "nt":
        reader = catch_signals()
        threading.Thread(target=end_with_signal, args=[workdir, reader]).start()
    threading.Thread(target=end_with_stdin, args=[workdir]).start()
    # Nothing but the port goes to stdout, where frappy prints errors
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        config = args.config and args.config.resolve()
        serve(config, args.port, workdir, stdout)
    except SystemExit as e:
        message = e.code if isinstance(e.code, str) else ""
    except BaseException:
        message = traceback.format_exc()
    else:
        message = "the node does not listen any more"
    # A node that runs is ended by its threads
    end(workdir, 1, message)


if __name__ == "__main__":
    if not __package__:
        # Run as a file, which is how `SimulatedNode` does it: the import of the whole
        # package, bluesky included, would take longer than all the rest
        package = types.ModuleType("secop_ophyd")
        package.__path__ = [str(Path(__file__).parents[1])]
        sys.modules[package.__name__] = package
    main()
