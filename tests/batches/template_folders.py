"""Folders of templates for tests, as OMRChecker has them, and ZIPs of them."""

import base64
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from omr.template import SHIPPED
from tests.pages import a_zip

DOCUMENT = json.loads((SHIPPED / "standard-150" / "template.json").read_text(encoding="utf-8"))
SCHEMES = {"DEFAULT": {"correct": 3, "incorrect": -1, "unmarked": 0}}
CSV_KEY = {"source_type": "csv", "options": {"answer_key_csv_path": "key.csv"}, "marking_schemes": SCHEMES}
MARKER = cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes()


def a_document_with_a_marker() -> dict[str, Any]:
    """A layout whose page is found by a picture beside it."""
    step = {"name": "CropOnMarkers", "options": {"relativePath": "pictures/marker.png"}}
    return DOCUMENT | {"preProcessors": [step]}


def folder_members(prefix: str = "", **changed: bytes | None) -> dict[str, bytes]:
    """Return what is in the folder of a template with a marker and a key; ``changed`` by the name without its end."""
    members: dict[str, bytes | None] = {
        "template.json": json.dumps(a_document_with_a_marker()).encode(),
        "config.json": b'{"dimensions": {"processing_width": 800}}',
        "evaluation.json": json.dumps(CSV_KEY).encode(),
        "key.csv": b"q1,A\nq5,A\n",
        "pictures/marker.png": MARKER,
    }
    members |= {name: changed.get(Path(name).stem, content) for name, content in members.items()}
    return {prefix + name: content for name, content in members.items() if content is not None}


def a_folder_zip(path: Path, members: Mapping[str, bytes] | None = None) -> bytes:
    """Return the ZIP of a template's folder, written to ``path``."""
    return a_zip(path, folder_members("my-exam/") if members is None else members).read_bytes()


def a_zip_of(path: Path, member: zipfile.ZipInfo | str, content: bytes = b"x") -> bytes:
    """Return the ZIP of a whole folder with one more member."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, given in folder_members().items():
            archive.writestr(name, given)
        archive.writestr(member, content)
    return path.read_bytes()


def marker_of(document: dict[str, Any]) -> bytes:
    return base64.b64decode(document["files"]["pictures/marker.png"])
