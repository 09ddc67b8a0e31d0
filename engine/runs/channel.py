"""The progress queue: events out to whoever listens, commands in, on a private Unix socket.

The trainer only ever puts into a bounded queue that drops its oldest; a listener that stalls or dies
costs it nothing. What is lost here is still in the journal.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import tempfile
import threading
from pathlib import Path

from engine import commands, events
from engine.commands import Command
from engine.events import Event

QUEUE_EVENTS = 1000
BUFFER_BYTES = 1 << 20
PATH_BYTES = 100
MAX_LISTENERS = 32


def socket_path(run: Path) -> Path:
    """In the run directory, or in a private folder under the temporary one when that path is too long."""
    path = run / "socket"
    if len(os.fsencode(path)) <= PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="finetui-")) / "socket"


class _Listener:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.outgoing = b""
        self.incoming = b""


class Channel:
    """Serves one run. `publish` never blocks; `commands` holds what listeners sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._events: queue.Queue[bytes] = queue.Queue(QUEUE_EVENTS)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._closing = False
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        path.chmod(0o600)
        self._server.listen(8)
        self._server.setblocking(False)
        self._listeners: dict[int, _Listener] = {}
        self._thread = threading.Thread(target=self._serve, name="progress queue", daemon=True)
        self._thread.start()

    def publish(self, event: Event) -> None:
        line = events.encode(event).encode() + b"\n"
        while True:
            try:
                self._events.put_nowait(line)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._events.get_nowait()
        self._wake()

    def close(self) -> None:
        """Hand out what is queued, for a second at most, and take the socket away."""
        self._closing = True
        self._wake()
        self._thread.join(timeout=1.0)
        self._server.close()
        self.path.unlink(missing_ok=True)
        if self.path.parent.name.startswith("finetui-"):
            self.path.parent.rmdir()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ, "server")
            selector.register(self._wake_read, selectors.EVENT_READ, "wake")
            while True:
                for key, ready in selector.select(timeout=1.0):
                    if key.data == "server":
                        self._accept(selector)
                    elif key.data == "wake":
                        os.read(self._wake_read, 4096)
                    else:
                        self._talk(selector, key.data, ready)
                self._spread(selector)
                if self._closing and self._events.empty():
                    return

    def _accept(self, selector: selectors.BaseSelector) -> None:
        connection, _ = self._server.accept()
        if len(self._listeners) >= MAX_LISTENERS:
            connection.close()
            return
        connection.setblocking(False)
        listener = _Listener(connection)
        self._listeners[connection.fileno()] = listener
        selector.register(connection, selectors.EVENT_READ, listener)

    def _spread(self, selector: selectors.BaseSelector) -> None:
        """Give each listener what is queued; one that lags too far behind is let go and reads the journal."""
        lines = []
        while not self._events.empty():
            lines.append(self._events.get_nowait())
        data = b"".join(lines)
        for listener in list(self._listeners.values()):
            listener.outgoing += data
            if len(listener.outgoing) > BUFFER_BYTES:
                self._drop(selector, listener)
            elif listener.outgoing:
                self._send(selector, listener)

    def _talk(self, selector: selectors.BaseSelector, listener: _Listener, ready: int) -> None:
        if ready & selectors.EVENT_WRITE:
            self._send(selector, listener)
        if ready & selectors.EVENT_READ and listener.connection.fileno() >= 0:
            self._receive(selector, listener)

    def _send(self, selector: selectors.BaseSelector, listener: _Listener) -> None:
        try:
            sent = listener.connection.send(listener.outgoing)
            listener.outgoing = listener.outgoing[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(selector, listener)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if listener.outgoing else 0)
        selector.modify(listener.connection, wanted, listener)

    def _receive(self, selector: selectors.BaseSelector, listener: _Listener) -> None:
        try:
            data = listener.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        listener.incoming += data
        if not data or len(listener.incoming) > commands.MAX_LINE_BYTES:
            self._drop(selector, listener)
            return
        *lines, listener.incoming = listener.incoming.split(b"\n")
        for line in lines:
            command = commands.decode(line)
            if command:
                self.commands.put(command)

    def _drop(self, selector: selectors.BaseSelector, listener: _Listener) -> None:
        self._listeners.pop(listener.connection.fileno(), None)
        with contextlib.suppress(KeyError, ValueError):
            selector.unregister(listener.connection)
        listener.connection.close()
