"""Node.js, and other people's clients from npm."""

import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.parts import without
from tests.site import ROOT

HERE = Path(__file__).parent
MODULE = (ROOT / "static" / "progress" / "batch-stream.js").as_uri()
SYNTAX_MODULE = (ROOT / "static" / "progress" / "event-stream.js").as_uri()
PACKAGE_FILES = ("package.json", "package-lock.json")
SCRIPTS = ("watch.mjs", "follow.mjs", "parse.mjs", "upload.mjs")
INSTALL_SECONDS = 120


def node() -> str:
    """Return the program; where there is none, the test is skipped, but never in CI."""
    return shutil.which("node") or without("Node.js", "apt-get install nodejs npm")


def a_workshop(folder: Path) -> Path:
    """Return ``folder``, with the scripts of this package in it, from where they find the packages."""
    (folder / "node_modules").symlink_to(installed_packages())
    for name in SCRIPTS:
        shutil.copy(HERE / name, folder)
    return folder


def installed_packages() -> Path:
    """Return the ``node_modules`` that package-lock.json names, kept below ``var/`` between the runs."""
    lock = sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = ROOT / "var" / "cache" / f"clients-{lock}"
    if not folder.exists():
        _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    npm = shutil.which("npm") or without("npm", "apt-get install npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        for name in PACKAGE_FILES:
            shutil.copy(HERE / name, beside)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=beside, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode:
            without("the packages of tests/clients/package.json", f"npm ci says: {done.stderr[-500:]}")
        try:
            shutil.copytree(beside, folder.with_suffix(f".{Path(beside).name}"))
            folder.with_suffix(f".{Path(beside).name}").rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another test process was quicker
                raise
