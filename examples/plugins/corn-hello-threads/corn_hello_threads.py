"""The worker hello-threads: a loop of its own, and a thread for each connection."""

import os
import struct
from errno import EINVAL
from selectors import EVENT_READ, DefaultSelector
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from threading import Thread
from time import monotonic

from corn_core.http import CONTINUE, RequestParser
from corn_core.plugin import ConfigError
from corn_core.worker import (
    BadRequest,
    ClientDisconnected,
    ConnectionInfo,
    RequestBody,
    RequestTimeout,
    Worker,
    client_limits,
    tls_variables,
)

TICK = 1.0  # seconds between heartbeats, and between looks at whether the worker is to stop
PIECE = 64 * 1024


class HelloThreadsWorker(Worker):
    """Its main thread accepts; each connection is served by a thread of its own."""

    multithread = True
    capabilities = frozenset({"keepalive", "concurrency", "long-requests"})
    ignored_settings = ("threads", "limit_response_spool")

    @classmethod
    def check_config(cls, config):
        if config.proxy_protocol != "off":
            origin = config.origin("proxy_protocol")
            raise ConfigError(f"proxy_protocol ({origin}): hello-threads cannot read its header")

    def run(self):
        self.limits = client_limits(self.cfg, self.cfg.keepalive)
        self.threads = set()
        with DefaultSelector() as selector:
            selector.register(self.wakeup.fd, EVENT_READ)
            for listener in self.listeners:
                selector.register(listener, EVENT_READ, listener)
            while self.alive:
                self.look_after_threads()
                if len(self.threads) >= self.limits.max_connections:
                    self.wait_for_a_thread()
                    continue
                for key, _ in selector.select(TICK):
                    if key.data is None:
                        self.wakeup.clear()
                    else:
                        self.accept(key.data)
        self.drain()

    def look_after_threads(self):
        self.notify()
        self.threads = {thread for thread in self.threads if thread.is_alive()}
        self.slot.set_connections(len(self.threads))

    def wait_for_a_thread(self):
        for thread in list(self.threads)[:1]:
            thread.join(TICK)

    def accept(self, listener):
        """Begin a conversation; returns False if no client is waiting."""
        try:
            sock, peer = listener.socket.accept()
        except BlockingIOError:
            return False  # another worker was faster
        except OSError as error:
            if error.errno != EINVAL:  # the server stops, and refuses further clients
                self.log.warning("Cannot accept: %s", error)
                self.wait_for_a_thread()  # if descriptors have run out, its end is what helps
            return False
        # Daemons do not keep a process from ending that was told to quit.
        thread = Thread(target=Conversation(self, listener, sock, peer).hold, daemon=True)
        self.threads.add(thread)
        thread.start()
        return True

    def drain(self):
        """Accept no more, and let the conversations come to their ends."""
        last = self.slot.server_stopping()
        for listener in self.listeners:
            # If no other worker comes after this one, who has connected must be answered here.
            while (last or listener.per_worker) and self.accept(listener):
                pass
            if last:
                listener.refuse()
            listener.close()
        while self.threads:
            self.wait_for_a_thread()
            self.look_after_threads()


class Conversation(ConnectionInfo):
    """One connection: what the cycle may know of it, and the sink of its responses."""

    def __init__(self, worker, listener, sock, peer):
        super().__init__(listener, peer, sock)
        self.worker = worker
        self.limits = worker.limits
        self.parser = RequestParser(self.limits.http)
        self.cut_short = False

    def hold(self):
        """Serve the client: the whole life of the thread."""
        try:
            self.shake_hands()
            patience = self.limits.header_timeout
            while self.serve_request(patience):
                patience = self.limits.keepalive
        except (ClientDisconnected, OSError) as error:
            self.worker.log.debug("Connection with ip=%s: %s", self.peer_host, error)
        except Exception:
            self.worker.log.exception("Error on the connection with ip=%s", self.peer_host)
        finally:
            self.close()

    def shake_hands(self):
        context = self.worker.ssl_context
        if context is not None:
            self.sock.settimeout(self.limits.header_timeout or None)
            self.sock = context.wrap_socket(self.sock, server_side=True)
            self.scheme = "https"
            self.variables = tls_variables(self.sock)

    def serve_request(self, patience):
        """Read a request and answer it; True when another one may follow."""
        request, cycle = None, self.worker.cycle
        try:
            request = self.read_head(patience)
            if request is None:
                return False
            body = self.read_body(request)
        except BadRequest as error:
            cycle.refuse(error, request or self.parser.error_request, self, self)
            return False
        keep_alive = self.limits.keepalive > 0 and self.worker.alive
        keep_alive = cycle.run(request, body, self, self, keep_alive)
        self.worker.request_done()
        return keep_alive

    # -- reading ---------------------------------------------------------------------

    def read_head(self, patience):
        """Return the next request, or None when there is none."""
        begun, ends = False, moment_after(patience)
        while (request := self.parser.next_request()) is None:
            if self.parser.mid_head and not begun:
                begun, ends = True, moment_after(self.limits.header_timeout)
            if not self.receive(ends, begun):
                return None
        return request

    def read_body(self, request):
        body = RequestBody(self.limits.tmp_dir)
        try:
            if request.expect_continue and not self.parser.buffered:
                self.send(CONTINUE)
            while (data := self.parser.read_body()) is not None:
                if data:
                    body.append(data)
                else:
                    self.receive(moment_after(self.limits.body_timeout), begun=True)
            body.finish()
        except BaseException:
            body.close()
            raise
        return body

    def receive(self, ends, begun):
        """Feed the parser; False when nothing has begun and nothing comes."""
        while True:
            # Awake once a second, to see whether the worker is to stop.
            self.sock.settimeout(min(max(ends - monotonic(), 0.001), TICK))
            try:
                data = self.sock.recv(PIECE)
                break
            except TimeoutError:
                if monotonic() < ends and (begun or self.worker.alive):
                    continue
                if begun:
                    raise RequestTimeout("the client took too long") from None
                return False
        if data:
            self.parser.feed(data)
        else:
            self.parser.eof()
        return bool(data)

    # -- writing: what the cycle calls -----------------------------------------------

    def send(self, data):
        view = memoryview(data)
        self.sock.settimeout(self.limits.write_timeout or None)
        try:
            while view:
                view = view[self.sock.send(view) :]
        except OSError as error:
            raise ClientDisconnected(str(error)) from error

    def send_file(self, fd, offset, count):
        while count:
            data = os.pread(fd, min(count, PIECE), offset)
            if not data:
                raise ClientDisconnected("the file became shorter")
            self.send(data)
            offset += len(data)
            count -= len(data)

    def abort(self):
        self.cut_short = True

    # -- the end ---------------------------------------------------------------------

    def close(self):
        try:
            self.sock.settimeout(TICK)
            if self.cut_short:
                # A reset, so that the client does not take what it has for all there is.
                self.sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.say_goodbye()
        except OSError:
            pass  # the client was faster
        self.sock.close()

    def say_goodbye(self):
        """Let the client read its response: unread input would end it with a reset."""
        if self.scheme == "https":
            self.sock = self.sock.unwrap()
        self.sock.shutdown(SHUT_WR)
        for _ in range(16):
            if not self.sock.recv(PIECE):
                break


def moment_after(seconds):
    return monotonic() + (seconds or float("inf"))
