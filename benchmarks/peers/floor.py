"""The least that any server in Python must do: one loop that writes the same bytes to every connection.

``python floor.py PORT REDIS_HOST REDIS_PORT``: whatever is asked for, the answer is an event stream with every event
that Redis publishes for the batch in the path. It reads no log, knows no users, keeps nothing and never waits.
"""

import re
import select
import socket
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
PATH = re.compile(rb"GET /api/batches/([0-9a-f-]+)/stream")
# What Redis says of one message: the channel, the length of the event, the event.
MESSAGE = re.compile(rb"\r\nbatch:([0-9a-f-]+):progress\r\n\$\d+\r\n(\{[^\r]*\})\r\n")
POSITION = re.compile(rb'"seq":(\d+)')
RECEIVE_BYTES = 256 * 2**10


def main() -> None:
    """Serve until the process is ended."""
    port, redis_host, redis_port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    news = socket.create_connection((redis_host, redis_port))
    news.sendall(b"PSUBSCRIBE batch:*:progress\r\n")
    door = socket.create_server(("127.0.0.1", port), backlog=2048)
    poll, viewers = select.epoll(), {}
    watching: dict[bytes, list[socket.socket]] = {}
    for listened in (news, door):
        poll.register(listened, select.EPOLLIN)
    said = b""
    while True:
        for fd, _ in poll.poll():
            if fd == door.fileno():
                viewer, _ = door.accept()
                viewers[viewer.fileno()] = viewer
                poll.register(viewer, select.EPOLLIN)
            elif fd == news.fileno():
                said = tell(said + news.recv(RECEIVE_BYTES), watching)
            else:
                poll.unregister(fd)
                begin(viewers.pop(fd), watching)


def begin(viewer: socket.socket, watching: dict[bytes, list[socket.socket]]) -> None:
    """Answer the request of ``viewer``, who from now on gets the events of its batch."""
    if asked := PATH.match(viewer.recv(RECEIVE_BYTES)):
        viewer.sendall(HEAD)
        watching.setdefault(asked[1], []).append(viewer)


def tell(said: bytes, watching: dict[bytes, list[socket.socket]]) -> bytes:
    """Write each event in ``said`` to those who watch its batch; return what is left of one not yet whole."""
    end = 0
    for message in MESSAGE.finditer(said):
        seq = POSITION.search(message[2])
        frame = b"event: progress\nid: %s\ndata: %s\n\n" % (seq[1] if seq else b"", message[2])
        chunk = b"%x\r\n%s\r\n" % (len(frame), frame)
        for viewer in watching.get(message[1], ()):
            viewer.send(chunk)
        end = message.end()
    return said[end:]


if __name__ == "__main__":
    main()
