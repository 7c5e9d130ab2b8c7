"""What can be wrong with a page or a template.

    ReaderError
    ├── TemplateError            the template cannot be used: path of the key, what was seen, what to do
    └── PageError                the page's own fault: it is set aside for a person, the batch goes on
        ├── NotAnImage           code not_an_image: the bytes cannot be decoded (also a truncated picture)
        ├── PageTooLarge         code page_too_large: more pixels than a page can have
        ├── BlankPage            code blank_page: nothing is printed on it
        ├── FiducialsNotFound    code fiducials_not_found: fewer fiducials than the template needs
        ├── PoorFit              code poor_fit: the fiducials do not lie as the template says
        └── OtherTemplate        code other_template: it fits, but the bubbles printed are not the template's

Codes are stable; sentences may be reworded.
"""

from typing import ClassVar


class ReaderError(Exception):
    """Anything the reader refuses."""


class TemplateError(ReaderError):
    """A template that cannot be used."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}; {remedy}")


class PageError(ReaderError):
    """A page that cannot be read; ``code`` is stable, the sentence says what was seen and what to do."""

    code: ClassVar[str]


class NotAnImage(PageError):
    code = "not_an_image"


class PageTooLarge(PageError):
    code = "page_too_large"


class BlankPage(PageError):
    code = "blank_page"


class FiducialsNotFound(PageError):
    code = "fiducials_not_found"


class PoorFit(PageError):
    code = "poor_fit"


class OtherTemplate(PageError):
    code = "other_template"
