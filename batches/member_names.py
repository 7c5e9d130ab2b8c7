"""What a file in a ZIP is called. The format leaves the encoding of names open, and systems differ."""

import unicodedata

_BLOCKS = 0x2580  # ▀ and the like: for bytes that stand for no letter


def _letters(encoding: str) -> str:
    """Return what each of the 256 bytes stands for, no two of them for the same."""
    letters = bytes(range(256)).decode(encoding, "replace")
    return "".join(chr(_BLOCKS + place) if letter == "\ufffd" else letter for place, letter in enumerate(letters))


LIKELY = (_letters("cp437"), _letters("cp1252"))
"""The encodings of old ZIP programs, and of Windows'."""


class NameReader:
    """Reads the names of one ZIP.

    UTF-8 is tried whether the ZIP says so or not: macOS writes it without a word, and names in other encodings are
    hardly ever valid UTF-8. All others are taken to be in one encoding: that which makes of the first of them letters
    as they are used in Europe. Where none does, people cannot read the names; but no two of them become the same.
    """

    def __init__(self) -> None:
        self._letters = ""

    def read(self, raw: bytes) -> str:
        """Return the name that ``raw`` stands for; there is one, whatever it holds."""
        if raw.isascii():
            return raw.decode("ascii")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._letters = self._letters or next((letters for letters in LIKELY if _is_latin(raw, letters)), LIKELY[0])
            return "".join(self._letters[byte] for byte in raw)


def _is_latin(raw: bytes, letters: str) -> bool:
    return all(byte < 128 or unicodedata.name(letters[byte], "").startswith("LATIN ") for byte in raw)
