"""Refusals of the parts that know no framework, and so no other language: what it is about, in the reader's own."""

from collections.abc import Mapping

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from batches.errors import BatchError
from batches.web.words import Words
from omr.errors import TemplateError

SOURCE_LANGUAGE = "en"
TEMPLATE_INVALID = "template_invalid"

ABOUT: Mapping[str, Words] = {
    TEMPLATE_INVALID: _("This template cannot be used."),
    "key_invalid": _("The answer key cannot be used with this template."),
    "not_a_zip": _("The file is no ZIP."),
    "archive_truncated": _("The ZIP is cut short or damaged."),
    "archive_empty": _("The ZIP is empty."),
    "unsafe_member": _("A file in the ZIP has a name that cannot be used."),
    "encrypted_member": _("A file in the ZIP has a password."),
    "unsupported_compression": _("A file in the ZIP is packed in a way that is not read here."),
    "bomb": _("The ZIP has more in it than is taken."),
    "not_one_template": _("The ZIP must have exactly one template.json in it."),
}
"""Code → what is refused. The sentence of the refusal says of which file or key, and what to do, in English."""


def told(error: Exception) -> str:
    """Return what a page says of ``error``: its own sentence, in other languages after what it is about."""
    code = TEMPLATE_INVALID if isinstance(error, TemplateError) else getattr(error, "code", "")
    is_english = (get_language() or SOURCE_LANGUAGE).startswith(SOURCE_LANGUAGE)
    if is_english or code not in ABOUT or not isinstance(error, TemplateError | BatchError):
        return str(error)
    return f"{ABOUT[code]} ({error})"
