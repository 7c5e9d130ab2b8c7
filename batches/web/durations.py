"""Lengths of time, for people."""

from django.utils.formats import number_format


def clock(seconds: float) -> str:
    """Return ``seconds`` as a running clock shows them: 0:07, 12:30, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def span(seconds: float) -> str:
    """Return ``seconds`` in words: < 0.1 s, 0.8 s, 41 s, 2 min 17 s."""
    if seconds < 0.1:
        return f"< {number_format(0.1, 1)} s"
    if seconds < 10:
        return f"{number_format(round(seconds, 1), 1)} s"
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes} min {second} s" if minutes else f"{second} s"
