"""The scripts that people, the Makefile and the image call."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.site import ROOT, Site, free_port, wait_for_answer, wait_until


@contextmanager
def a_clean_folder(at: Path) -> Iterator[Path]:
    """The files that git tracks, and no others, in a folder of their own."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, at / name)
    yield at


def test_serve_starts_web_server_and_runner_together_and_stops_them_together(site: Site) -> None:
    port = free_port()
    with site.start(sys.executable, "scripts/serve.py", "--port", str(port), stop=signal.SIGINT) as serve:
        wait_for_answer(f"http://127.0.0.1:{port}", serve)
        wait_until(lambda: len(_children(serve.pid)) == 2)
        children = _children(serve.pid)

    assert serve.returncode == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_serve_ends_when_the_runner_dies(site: Site) -> None:
    port = free_port()
    with site.start(sys.executable, "scripts/serve.py", "--port", str(port)) as serve:
        wait_for_answer(f"http://127.0.0.1:{port}", serve)
        runner = next(c for c in _children(serve.pid) if "process_batch" in Path(f"/proc/{c}/cmdline").read_text())
        os.kill(runner, signal.SIGKILL)

        assert serve.wait(20) == 1


def test_serve_refuses_a_port_that_is_taken_and_says_what_to_do(site: Site) -> None:
    with socket.socket() as somebody_else:
        somebody_else.bind(("127.0.0.1", 0))
        somebody_else.listen()
        port = somebody_else.getsockname()[1]

        command = [sys.executable, "scripts/serve.py", "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, env=site.env, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.strip() == f"Port {port} is taken by another program; name a free one: make run PORT={port + 1}"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds, built by the image's own script from the tracked files alone."""
    with a_clean_folder(tmp_path_factory.mktemp("image")) as folder:
        env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        env["PYTHON"] = sys.executable
        env["PIP_COMPILE"] = "0"  # the packages' bytecode, which is a third of the work
        subprocess.run(["scripts/image-build.sh", str(folder / "venv")], cwd=folder, env=env, check=True)
        return folder


def test_the_image_holds_the_static_files_and_no_secret(image: Path) -> None:
    assert (image / "staticfiles" / "admin").is_dir()
    assert not list(image.rglob("secret_key"))


def test_the_image_holds_nothing_that_only_tests_need(image: Path) -> None:
    installed = subprocess.run([image / "venv/bin/pip", "list"], capture_output=True, text=True, check=True).stdout

    assert "Django" in installed or "django" in installed
    assert "pytest" not in installed


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_the_images_web_role_serves_with_either_server(image: Path, tmp_path: Path, server: str) -> None:
    port = free_port()
    with _role(image, tmp_path, "web", SERVER=server, HOST="127.0.0.1", PORT=str(port)) as process:
        wait_for_answer(f"http://127.0.0.1:{port}", process)

        answer = httpx.get(f"http://127.0.0.1:{port}/healthz")

    assert answer.status_code == 200


def test_the_images_runner_role_starts_and_stops_cleanly(image: Path, tmp_path: Path) -> None:
    subprocess.run(
        [image / "scripts/entrypoint.sh", "migrate", "-v", "0"], env=_environment(image, tmp_path), check=True
    )
    with _role(image, tmp_path, "runner") as process, pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)

    assert process.returncode == 0


def test_an_unknown_server_is_refused_in_one_sentence(image: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [image / "scripts/entrypoint.sh", "web"],
        env=_environment(image, tmp_path) | {"SERVER": "apache"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.strip() == "SERVER is 'apache'; expected daphne or uvicorn"


def _environment(image: Path, var: Path) -> dict[str, str]:
    """The environment of the image: its own programs first, its data elsewhere, nothing of the tests' settings."""
    return {"PATH": f"{image / 'venv/bin'}:/usr/bin:/bin", "VAR_DIR": str(var / "data"), "HOME": str(var)}


@contextmanager
def _role(image: Path, var: Path, role: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    with (var / f"{role}.log").open("w") as log:
        process = subprocess.Popen(
            [image / "scripts/entrypoint.sh", role],
            env=_environment(image, var) | environment,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(15)
