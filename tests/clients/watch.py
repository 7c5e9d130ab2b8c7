"""Clients of event streams in Python's world: ``python -m tests.clients.watch curl|httpx-sse URL TOKEN``.

Each comes back with the last id that it saw until it is told by 204 that there is nothing more, and prints a line of
JSON for all that it notices, as watch.mjs does for those under Node.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import httpx_sse

CURL_FRAME = re.compile(r"event: (\w+)\nid: (\d+)\ndata: (.*)\n\n")
RETURN_SECONDS = 0.5


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - it is a program


def with_curl(url: str, token: str) -> None:
    status, seen = "", "0"
    while status != "204":
        headers = ("-H", f"Authorization: Bearer {token}", "-H", f"Last-Event-ID: {seen}")
        command = ["curl", "-sN", *headers, "-w", "%{stderr}%{http_code}", url]
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            assert curl.stderr is not None
            frame = ""
            for line in curl.stdout:
                frame = frame + line if line != "\n" or frame else ""
                if found := CURL_FRAME.search(frame):
                    name, seen, data = found.groups()
                    say(name=name, seq=json.loads(data)["seq"], id=seen)
                    frame = ""
            status = curl.stderr.read().strip()
        say(**{"refused" if status == "204" else "lost": True})
        time.sleep(RETURN_SECONDS)


def with_httpx_sse(url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
        while True:
            try:
                with httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
                    if source.response.status_code == 204:
                        return say(refused=True)
                    for event in source.iter_sse():
                        headers["Last-Event-ID"] = event.id
                        say(name=event.event, seq=event.json()["seq"], id=event.id)
            except httpx.TransportError:
                pass
            say(lost=True)
            time.sleep(RETURN_SECONDS)


CLIENTS: dict[str, Callable[[str, str], None]] = {"curl": with_curl, "httpx-sse": with_httpx_sse}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](*sys.argv[2:])
    say(over=True)
