"""The head of a sheet: title, lines to write on, instructions. It goes where the template leaves room."""

from collections.abc import Iterator, Sequence

from omr.printing.shapes import Shape


def draw_panel(page: tuple[float, float], mm: float, occupied: Sequence[Sequence[Shape]]) -> Iterator[Shape]:
    yield from ()
