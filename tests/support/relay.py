"""Servers between volstream and S3 for the tests of TLS and of proxies.

relay.py tls PORT UPSTREAM_PORT CERT KEY [CLIENT_CA]   ends TLS and passes the bytes on; with
    CLIENT_CA a client certificate is required
relay.py forward PORT [USER:PASSWORD]   a forward proxy: absolute URLs and CONNECT; with
    USER:PASSWORD these are required

Listens on 127.0.0.1. Standard error has a line "ready", then one for each name that a client asked
for by SNI ("sni NAME") or each request of the proxy ("CONNECT host:port", "PUT http://...").
"""

import base64
import socket
import ssl
import sys
import threading


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def join(a, b):
    back = threading.Thread(target=pump, args=(b, a), daemon=True)
    back.start()
    pump(a, b)
    back.join()


def serve_tls(client, context, upstream_port):
    try:
        client = context.wrap_socket(client, server_side=True)
    except (ssl.SSLError, OSError):
        return
    join(client, socket.create_connection(("127.0.0.1", upstream_port)))


def serve_forward(client, login):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return
        head += data
    head, rest = head.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    method, target, version = lines[0].split(b" ")
    say(method.decode(), target.decode())
    headers = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
    given = [line for line in lines if line.lower().startswith(b"proxy-authorization: basic ")]
    if login and (not given or base64.b64decode(given[0].split()[-1]) != login.encode()):
        client.sendall(
            b"HTTP/1.1 407 Proxy Authentication Required\r\n"
            b"Proxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        return
    if method == b"CONNECT":
        host, port = target.rsplit(b":", 1)
        upstream = socket.create_connection((host.decode(), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        # One request a connection: the next may be for another host.
        origin, path = target.split(b"//", 1)[1].split(b"/", 1)
        host, port = origin.rsplit(b":", 1)
        upstream = socket.create_connection((host.decode(), int(port)))
        kept = [line for line in lines[1:] if not line.lower().startswith(b"proxy-")]
        first = method + b" /" + path + b" " + version
        upstream.sendall(b"\r\n".join([first, b"Connection: close"] + kept) + b"\r\n\r\n")
    upstream.sendall(rest)
    join(client, upstream)


def main():
    mode, port, *rest = sys.argv[1:]
    if mode == "tls":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(rest[1], rest[2])
        context.sni_callback = lambda connection, name, _: say("sni", name)
        if len(rest) > 3:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(rest[3])
        serve = lambda client: serve_tls(client, context, int(rest[0]))
    else:
        serve = lambda client: serve_forward(client, rest[0] if rest else "")
    listener = socket.create_server(("127.0.0.1", int(port)))
    say("ready")
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


main()
