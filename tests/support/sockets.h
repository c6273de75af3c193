// TCP on 127.0.0.1 for the servers of the tests, and what FakeS3 does to connections behind the
// back of its HTTP library.
// Threads: safe for concurrent calls on different connections.
#ifndef VOLSTREAM_TESTS_SUPPORT_SOCKETS_H_
#define VOLSTREAM_TESTS_SUPPORT_SOCKETS_H_

namespace volstream {

// This process's descriptor of the TCP connection (IPv4) with these ports, or -1: httplib does not
// tell which socket a request came from, but both ports of the connection do.
int FindSocket(int local_port, int remote_port);

// Sends a RST. The library keeps the descriptor, so a dead socket takes its place: what it still
// writes there fails, and its own close() hits nobody else's descriptor.
void ResetConnection(int fd);

// A socket that listens on a free port.
int ListenOnLoopback();
// The port that a socket is bound to.
int LocalPort(int fd);
// A socket connected to that port, or -1.
int ConnectToLoopback(int port);

// A port of 127.0.0.1 on which nobody listens: connections are refused.
int RefusingPort();

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_SOCKETS_H_
