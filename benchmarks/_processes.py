"""What the kernel says of a process: its CPU time, its memory, its threads, its children."""

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of ``pid`` so far, all threads; 0.0 when it has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND if fields else 0.0


def resident_bytes(pid: int) -> int:
    """Return the memory of ``pid``; what it shares with others counts in full. 0 when it has ended."""
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def peak_resident_bytes(pid: int) -> int:
    """Return the most memory that ``pid`` ever had; what it shares with others counts in full."""
    return _status(pid, "VmHWM") * 1024


def bytes_written(pid: int) -> int:
    """Return how many bytes ``pid`` gave to disks so far, whether they are there yet or not."""
    lines = dict(line.split(": ") for line in _read(Path(f"/proc/{pid}/io")).splitlines())
    return int(lines.get("write_bytes", 0))


def own_kb(pid: int) -> int:
    """Return the memory that is ``pid``'s alone: no file and no library stands behind it."""
    return _status(pid, "RssAnon")


def threads(pid: int) -> int:
    """Return how many threads ``pid`` has."""
    return _status(pid, "Threads")


def descendants(pid: int) -> list[int]:
    """Return the children of ``pid``, and theirs."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in _read(task).split()]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def command(pid: int) -> str:
    """Return the command line of ``pid``, its parts separated by zeros."""
    return _read(Path(f"/proc/{pid}/cmdline"))


def _status(pid: int, name: str) -> int:
    lines = dict(line.split(":", 1) for line in _read(Path(f"/proc/{pid}/status")).splitlines())
    return int(lines[name].split()[0]) if name in lines else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ""
