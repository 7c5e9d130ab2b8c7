"""nginx before the site, with the configuration that docs/deploy/nginx.conf gives to whoever runs one."""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.streaming.protocol import ROOT
from benchmarks.streaming.site import free_port, wait_for_listener

CONFIGURATION = ROOT / "docs" / "deploy" / "nginx.conf"
AROUND = """
user {user};
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/site.conf;
}}
"""


def find_nginx() -> str | None:
    """Return the program; None when it is not installed."""
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


@contextmanager
def nginx_before(port: int, folder: Path) -> Iterator[int]:
    """Run nginx before the site on ``port``, its files in the new ``folder``; gives the port that it answers on."""
    if (program := find_nginx()) is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    folder.mkdir()
    own = free_port()
    site = CONFIGURATION.read_text()
    for stands, here in (("listen 80;", f"listen 127.0.0.1:{own};"), ("127.0.0.1:8000", f"127.0.0.1:{port}")):
        if stands not in site:
            raise SystemExit(f"{CONFIGURATION} has no {stands!r} to put the own one in its place")
        site = site.replace(stands, here)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(AROUND.format(user=getpass.getuser(), folder=folder))
    command = [program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_listener(process, own)
            yield own
        finally:
            process.terminate()
