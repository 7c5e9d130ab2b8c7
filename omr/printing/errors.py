"""What can be wrong with a request to print or to make sample pages."""


class PrintingError(Exception):
    """It cannot be printed or made; the sentence says what was seen and what to do."""
