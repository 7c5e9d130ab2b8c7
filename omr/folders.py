"""A template's folder, as OMRChecker has it, and the one document that it becomes.

The document is the folder's ``template.json`` with two more keys: ``files``, the pictures that its preprocessors name,
in Base64, and ``config``, the folder's ``config.json``. So it can be stored and sent as any other template.
"""

import base64
from pathlib import Path
from typing import Any

from omr.errors import TemplateError
from omr.nodes import Node
from omr.plain_json import decode_json
from omr.preprocessors import USUAL_MARKER
from omr.template import Template, parse_template

MOST_FILE_BYTES = 8 * 2**20
"""Of a marker or a reference: A4 at 300 dpi as PNG is a tenth of it."""

FILE_KEYS = ("relativePath", "reference")
"""The options of preprocessors that name a file."""


def load_template_folder(folder: Path, name: str = "template.json") -> Template:
    """Return the template in ``folder``.

    Raises:
        TemplateError: see ``read_template_folder`` and ``omr.template.parse_template``.
    """
    return parse_template(read_template_folder(folder, name))


def read_template_folder(folder: Path, name: str = "template.json") -> dict[str, Any]:
    """Return the document of the template in ``folder``, with its files inside.

    Raises:
        TemplateError: a file is missing, too large, beside the folder, or not JSON.
    """
    page = Node(_read_json(folder / name))
    document = dict(page.members())
    steps = page.optional("preProcessors", []).elements()
    named = [node for step in steps for node in _named_files(step)]
    if named:
        document["files"] = {str(node.value): _read_file(folder, node) for node in named}
    if (folder / "config.json").exists():
        document["config"] = _read_json(folder / "config.json")
    return document


def _named_files(step: Node) -> list[Node]:
    """Return the options of a preprocessor that name a file, those that it has unsaid too."""
    options = step.optional("options", {})
    named = [options.child(key) for key in FILE_KEYS if options.has(key)]
    if not named and step.text("name", "") == "CropOnMarkers":
        named = [options.optional("relativePath", USUAL_MARKER)]
    return named


def _read_json(path: Path) -> Any:
    try:
        return decode_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateError(path.name, f"not readable as JSON ({error})", "give a file of JSON") from error


def _read_file(folder: Path, node: Node) -> str:
    path = (folder / str(node.value)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise node.refuse("name a file inside the template's folder")
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise node.refuse(f"give a file of at most {MOST_FILE_BYTES // 2**20} MB")
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise TemplateError(node.path, f"cannot be read ({error.strerror})", "put the file there") from error
