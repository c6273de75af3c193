"""CountingRelay: passes TCP bytes to an HTTP server on, counts requests and the bytes of answers.

It changes nothing, so that signatures hold, and knows requests by the line that begins them; none
of those that it is for (GET, HEAD) has a body. Not for timing: it is Python.
"""

import re
import socket
import threading

REQUEST = re.compile(rb"(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP/1\.1\r\n")
# A request line may lie across two reads.
LONGEST_LINE = 16 * 1024


class CountingRelay:
    """In front of http://HOST:PORT, from `with` to its end; `endpoint` is its own address."""

    def __init__(self, upstream):
        host, _, port = upstream.partition("://")[2].partition(":")
        self.upstream = (host, int(port))
        self.lock = threading.Lock()
        self.requests = 0
        self.answer_bytes = 0

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.listener.close()

    def take(self):
        """What was counted since the last call."""
        with self.lock:
            counts = {"requests": self.requests, "answer_bytes": self.answer_bytes}
            self.requests = self.answer_bytes = 0
        return counts

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.upstream)
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _ask(self, client, server):
        rest = b""

        def count(data):
            nonlocal rest
            rest += data
            end = 0
            for match in REQUEST.finditer(rest):
                end = match.end()
                with self.lock:
                    self.requests += 1
            rest = rest[end:][-LONGEST_LINE:]

        self._pump(client, server, count)

    def _answer(self, server, client):
        def count(data):
            with self.lock:
                self.answer_bytes += len(data)

        self._pump(server, client, count)

    @staticmethod
    def _pump(source, target, count):
        try:
            while data := source.recv(1 << 16):
                count(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
