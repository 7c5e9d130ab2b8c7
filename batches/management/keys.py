"""Which answer key a command means."""

from pathlib import Path

from django.core.management.base import CommandError

from batches.errors import BatchError
from batches.management.arguments import WRONG_USAGE
from batches.models import SheetTemplate
from batches.template_folders import key_of
from omr.answer_key import load_key
from omr.errors import TemplateError
from omr.scoring import AnswerKey
from omr.template import Template


def find_key(path: Path, template: Template, *, questions_only: bool = False) -> AnswerKey:
    """Return the key in the file ``path``; CommandError when it cannot be used with ``template``."""
    try:
        key = load_key(path)
        key.refuse_other_template(template, questions_only=questions_only)
    except TemplateError as error:
        raise CommandError(f"answer key {path}: {error}", returncode=WRONG_USAGE) from error
    return key


def find_kept_key(template: SheetTemplate) -> AnswerKey:
    """Return the key that lives with ``template``; CommandError when there is none."""
    try:
        key = key_of(template)
    except BatchError as error:
        raise CommandError(f"template {template}: {error}", returncode=WRONG_USAGE) from error
    if key is None:
        raise CommandError(f"no key lives with the template {template}; give one by --key", returncode=WRONG_USAGE)
    return key
