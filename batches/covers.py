"""What a person says of pages that may be covers, and the words that ask for it."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from django.utils.translation import gettext as _

NO_COVER = "-"
"""In the place of a code: this page is not a cover."""

CODE = "CODE"
"""In the place of a code, where a person is to put one."""


def remedy(file_name: str) -> str:
    """Return what to do about a page that may be a cover."""
    return f"give its code with {file_name}={CODE}, or {file_name}={NO_COVER} if it is none"


def name_pages(names: Sequence[str], said: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Find the pages of which something was ``said``, by their full or their short names.

    Args:
        names: all pages of the archive.
        said: name → code, or NO_COVER.

    Returns:
        Full name → code; and what was said of no page, or of more than one: name → sentence.
    """
    known, by_short_name = set(names), _by_short_name(names)
    found: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for wanted, code in said.items():
        pages = [wanted] if wanted in known else by_short_name.get(wanted, [])
        if len(pages) == 1:
            found[pages[0]] = code
        else:
            seen = {"said": f"{wanted}={code}", "count": len(pages)}
            several = _("%(said)s: the ZIP has %(count)d files of that name; give the file's full name")
            none = _("%(said)s: the ZIP has no file of that name; give the file's full name")
            wrong[wanted] = (several if pages else none) % seen
    return found, wrong


def _by_short_name(names: Sequence[str]) -> dict[str, list[str]]:
    pages: dict[str, list[str]] = {}
    for name in names:
        pages.setdefault(PurePosixPath(name).name, []).append(name)
    return pages
