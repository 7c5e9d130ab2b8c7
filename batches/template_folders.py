"""Sheet templates as folders, on the disk or in a ZIP, and the answer keys that live with them."""

import errno
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from batches.archive import Archive, Page
from batches.directory import index_members
from batches.errors import ArchiveRefused, BatchError, DamagedPage
from batches.models import SheetTemplate
from omr.answer_key import parse_key, read_key
from omr.errors import TemplateError
from omr.folders import MOST_FILE_BYTES, read_template_folder
from omr.plain_json import decode_json
from omr.scoring import AnswerKey
from omr.template import Template, parse_template

LAYOUT, KEY = "template.json", "evaluation.json"

MOST_ZIP_BYTES = 32 * 2**20
"""Of a ZIP, and of all that is in it: a template's pictures have a hundredth of it."""

MOST_MEMBERS = 500

UNUSABLE_NAME = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)


def take_folder(template: SheetTemplate, folder: Path, *, file: str = LAYOUT, name: str = "") -> None:
    """Make ``template`` what ``folder`` says, all of it, and save it; a folder without a key takes the key away.

    Args:
        template: a new one with its slug, or one that is there.
        folder: OMRChecker's: the layout, and beside it what it names, perhaps config.json and evaluation.json.
        file: of the layout.
        name: what people see; what it was, or the slug, when left out.

    Raises:
        TemplateError: it is no template; the sentence names the key and what to do.
        BatchError: code key_invalid: its answer key cannot be used with it.
        WrongState: batches were made with another layout.
    """
    document = read_template_folder(folder, file)
    template.refuse_document(document)
    template.answer_key = _read_answer_key(folder, parse_template(document))
    template.document, template.name = document, name or template.name or template.slug
    template.save()


def take_zip(template: SheetTemplate, content: IO[bytes], *, name: str = "") -> None:
    """Make ``template`` what the folder in the ZIP ``content`` says, as ``take_folder`` does.

    Raises:
        ArchiveRefused: it is no ZIP, broken, dangerous or too large, or has not just one template.json.
    """
    with tempfile.TemporaryDirectory(prefix="template-") as place:
        archive = Path(place) / "folder.zip"
        with archive.open("wb") as file:
            file.write(content.read(MOST_ZIP_BYTES + 1))  # one more is enough to refuse it by
        if archive.stat().st_size > MOST_ZIP_BYTES:
            seen = f"The ZIP has more than {MOST_ZIP_BYTES // 2**20} MB"
            raise ArchiveRefused(f"{seen}; send the template's folder without scans", code="bomb")
        take_folder(template, unpack_folder(archive, Path(place) / "folder"), name=name)


def take_layout(template: SheetTemplate, content: bytes, *, name: str = "") -> None:
    """Make ``template`` what ``content``, a template.json by itself, says, and save it; its answer key stays.

    Raises:
        TemplateError: it is no template, or needs files that lie beside it.
        WrongState: batches were made with another layout.
    """
    try:
        document = decode_json(content)
    except ValueError as error:
        raise TemplateError(LAYOUT, f"not readable as JSON ({error})", "give a template.json, or a ZIP") from error
    template.refuse_document(document)
    template.document, template.name = document, name or template.name or template.slug
    template.save()


def unpack_folder(archive: Path, into: Path) -> Path:
    """Unpack the ZIP of a template's folder into the folder ``into``; return where its template.json lies.

    Raises:
        ArchiveRefused: it is no ZIP, broken, dangerous or too large, or has not just one template.json.
    """
    members = index_members(archive, name="The file", wanted="the template's folder")
    _refuse_too_much(archive, members)
    layouts = [PurePosixPath(member.member) for member in members if PurePosixPath(member.member).name == LAYOUT]
    if len(layouts) != 1:
        seen = f"The ZIP has {len(layouts)} files called {LAYOUT} ({', '.join(map(str, layouts))})"
        seen = seen if layouts else f"The ZIP has no {LAYOUT} in it"
        raise ArchiveRefused(f"{seen}; pack the folder of one template", code="not_one_template")
    into.mkdir(exist_ok=True)
    with Archive(archive) as opened:
        for member in members:
            _unpack(opened, member, into)
    return into / layouts[0].parent


def parse_given_key(document: Any, files: Mapping[str, str], template: Template) -> AnswerKey:
    """Return the key in ``document``, with the CSV ``files`` that it names as text.

    Raises:
        BatchError: code key_invalid: it cannot be used with ``template``.
    """
    return _parse_key(document, {name: text.encode() for name, text in files.items()}, template, called="answer key")


def key_of(template: SheetTemplate) -> AnswerKey | None:
    """Return the key that lives with ``template``, or None when there is none."""
    if template.answer_key is None:
        return None
    kept = template.answer_key
    return parse_given_key(kept["key"], kept["files"], parse_template(template.document))


def _read_answer_key(folder: Path, template: Template) -> dict[str, Any] | None:
    """Return the key in ``folder`` as it is kept, None when there is none."""
    if not (folder / KEY).exists():
        return None
    try:
        document, files = read_key(folder / KEY)
    except TemplateError as error:
        raise BatchError(str(error), code="key_invalid") from error
    _parse_key(document, files, template, called=KEY)
    return {"key": document, "files": {name: content.decode("utf-8-sig") for name, content in files.items()}}


def _parse_key(document: Any, files: Mapping[str, bytes], template: Template, *, called: str) -> AnswerKey:
    try:
        key = parse_key(document, files)
        key.refuse_other_template(template, questions_only=True)
    except TemplateError as error:
        raise BatchError(f"{called}: {error}", code="key_invalid") from error
    return key


def _refuse_too_much(archive: Path, members: tuple[Page, ...]) -> None:
    unpacked = max(archive.stat().st_size, sum(member.size_bytes for member in members))
    if len(members) > MOST_MEMBERS:
        raise ArchiveRefused(f"The ZIP has {len(members)} files; a template has at most {MOST_MEMBERS}", code="bomb")
    if unpacked > MOST_ZIP_BYTES:
        seen = f"The ZIP has {unpacked / 2**20:.0f} MB in it, at most {MOST_ZIP_BYTES // 2**20} MB are taken"
        raise ArchiveRefused(f"{seen}; leave the scans out of it", code="bomb")
    for member in members:
        if member.size_bytes > MOST_FILE_BYTES:
            seen = f"{member.member} has {member.size_bytes / 2**20:.0f} MB, at most {MOST_FILE_BYTES // 2**20} MB"
            raise ArchiveRefused(f"{seen} are taken of one file; leave it out, or make it smaller", code="bomb")


def _unpack(opened: Archive, member: Page, into: Path) -> None:
    path = into / member.member
    try:
        content = opened.read(member)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except DamagedPage as error:
        raise ArchiveRefused(str(error), code="archive_truncated") from error
    except OSError as error:
        if error.errno not in UNUSABLE_NAME:
            raise
        sentence = f"{member.member[:120]} cannot be a file's name here ({error.strerror}); rename it"
        raise ArchiveRefused(sentence, code="unsafe_member") from error
