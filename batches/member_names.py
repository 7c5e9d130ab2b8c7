"""What a file in a ZIP is called. The format leaves the encoding of names open, and systems differ."""

import unicodedata

LIKELY_ENCODINGS = ("cp437", "cp1252")  # of old ZIP programs, and of Windows'


def decode_name(raw: bytes) -> str:
    """Return the name that ``raw`` stands for; there is one, whatever it holds.

    UTF-8 is tried whether the ZIP says so or not: macOS writes it without a word, and names in other encodings are
    hardly ever valid UTF-8. Of the others the first is taken that gives letters as they are used in Europe; where none
    does, people cannot read the name, and yet it is always the same one.
    """
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        guesses = (raw.decode(encoding, "replace") for encoding in LIKELY_ENCODINGS)
        return next((guess for guess in guesses if _is_latin(guess)), raw.decode("cp437"))


def _is_latin(text: str) -> bool:
    return all(letter.isascii() or unicodedata.name(letter, "").startswith("LATIN ") for letter in text)
