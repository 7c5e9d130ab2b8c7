"""An answer key as OMRChecker writes it: ``evaluation.json``, and the CSV file that it may name."""

import ast
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from omr.errors import TemplateError
from omr.nodes import Node, shown
from omr.plain_json import decode_json
from omr.scoring import AnswerKey, QuestionKey, Scheme
from omr.template import expand_label

DEFAULT_SCHEME = "DEFAULT"

KNOWN_KEYS = frozenset({"source_type", "options", "marking_schemes"})
DISPLAY_OPTIONS = frozenset({"should_explain_scoring", "enable_evaluation_table_to_csv"})
"""Options that say how OMRChecker shows scores; no score depends on them."""

MOST_CELL_LETTERS = 500
"""Of one answer in a CSV file; what is longer is no answer."""

_POINTS = re.compile(r"[+-]?\d{1,6}(\.\d{1,6}|/\d{1,6})?")


def load_key(path: Path) -> AnswerKey:
    """Return the key in the file ``path``, with the CSV file beside it when it names one.

    Raises:
        TemplateError: the file is not JSON, or not a key; see ``parse_key``.
    """
    return parse_key(*read_key(path))


def read_key(path: Path) -> tuple[Any, dict[str, bytes]]:
    """Return what ``parse_key`` takes: the decoded JSON in the file ``path``, and the CSV file that it names.

    Raises:
        TemplateError: the file is not JSON.
    """
    try:
        document = decode_json(path.read_text(encoding="utf-8"))
        beside = {file.name: file.read_bytes() for file in path.parent.glob("*.csv") if _is_named(document, file.name)}
    except (OSError, ValueError) as error:
        raise TemplateError(path.name, f"not readable as JSON ({error})", "give an evaluation.json") from error
    return document, beside


def _is_named(document: Any, name: str) -> bool:
    options = document.get("options") if isinstance(document, dict) else None
    return isinstance(options, dict) and options.get("answer_key_csv_path") == name


def parse_key(document: Any, files: Mapping[str, bytes] | None = None) -> AnswerKey:
    """Return the key that ``document``, decoded JSON, describes.

    Args:
        document: OMRChecker's evaluation.json.
        files: the files that may be named in it, by name: a CSV file with the answers.

    Raises:
        TemplateError: names the path in the key that is wrong, what was seen and what to do.
    """
    if not isinstance(document, dict):
        raise TemplateError("the key", f"is {shown(document)}", "give an object with source_type and options")
    page = Node(document)
    _refuse_unknown(page, KNOWN_KEYS)
    entries = list(_parse_source(page, files or {}))
    names = [name for name, _ in entries]
    if not names:
        raise TemplateError("options", "has no answers", "give an answer for one question at least")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise TemplateError("options", f"has {repeated[0]} twice", "name each question once")
    schemes = _parse_schemes(page.child("marking_schemes"), names)
    return AnswerKey(
        questions=tuple(
            QuestionKey(
                question=name, path=answer.path, worth=_parse_worth(answer, schemes[name]), scheme=schemes[name]
            )
            for name, answer in entries
        )
    )


def _refuse_unknown(node: Node, known: Collection[str]) -> None:
    """Refuse keys that are not understood: any of them might change a score."""
    if unknown := [key for key in node.members() if key not in known]:
        remedy = f"take it out; known are {', '.join(sorted(known))}"
        raise TemplateError(node.below(unknown[0]), "is not understood", remedy)


def _parse_source(page: Node, files: Mapping[str, bytes]) -> Iterator[tuple[str, Node]]:
    """Give every question of the key with its answer."""
    options, source = page.child("options"), page.text("source_type", "")
    if source == "custom":
        _refuse_unknown(options, DISPLAY_OPTIONS | {"questions_in_order", "answers_in_order"})
        yield from _parse_lists(options)
    elif source == "csv":
        if options.has("answer_key_image_path"):
            remedy = "read that page, and give its answers as a CSV file"
            raise TemplateError(options.below("answer_key_image_path"), "asks for a key read from a page", remedy)
        _refuse_unknown(options, DISPLAY_OPTIONS | {"answer_key_csv_path"})
        yield from _parse_csv(options.child("answer_key_csv_path"), files)
    else:
        raise TemplateError("source_type", f"is {shown(source)}", 'give "custom" or "csv"')


def _parse_lists(options: Node) -> Iterable[tuple[str, Node]]:
    names, answers = _labels(options, "questions_in_order"), options.child("answers_in_order").elements()
    if len(names) != len(answers):
        seen = f"has {len(answers)} answers for {len(names)} questions"
        raise TemplateError(options.below("answers_in_order"), seen, "give an answer for each of questions_in_order")
    return zip(names, answers, strict=True)


def _labels(node: Node, key: str) -> list[str]:
    """Return the questions under ``key`` with ranges such as ``q1..5`` written out."""
    return [name for label in node.texts(key) for name in expand_label(label, node.below(key))]


def _parse_csv(named: Node, files: Mapping[str, bytes]) -> Iterator[tuple[str, Node]]:
    if named.value not in files:
        raise named.refuse("put this file beside the key")
    try:
        text = files[named.value].decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TemplateError(str(named.value), f"is not readable as CSV ({error})", "save it as CSV in UTF-8") from error
    for number, row in enumerate(rows, 1):
        if any(cell.strip() for cell in row):
            path = f"{named.value} line {number}"
            if len(row) != 2 or not row[0].strip():
                remedy = 'give a question and its answer, several in quotes: q4,"A,C"'
                raise TemplateError(path, f"has {len(row)} columns", remedy)
            yield row[0].strip(), Node(_parse_cell(row[1], path), path)


def _parse_cell(cell: str, path: str) -> Any:
    """Return the answer in a cell as JSON would have it: ``B``, ``A,C``, or a list as Python writes it."""
    text = cell.replace(" ", "")
    if len(text) > MOST_CELL_LETTERS:
        raise TemplateError(path, f"has {len(text)} letters", "give an answer")
    if text.startswith("["):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise TemplateError(path, f"is {shown(cell)}", "write lists as ['A','C'] or [['A',2],['C',1]]") from error
    return text.split(",") if "," in text else text


def _parse_schemes(node: Node, questions: Sequence[str]) -> dict[str, Scheme]:
    """Return the scheme of every question: its section's, or the default one."""
    default = _parse_marking(node.child(DEFAULT_SCHEME), DEFAULT_SCHEME)
    schemes = dict.fromkeys(questions, default)
    for name, section in node.members().items():
        if name == DEFAULT_SCHEME:
            continue
        part = Node(section, node.below(name))
        _refuse_unknown(part, {"questions", "marking"})
        scheme = _parse_marking(part.child("marking"), name)
        for question in _labels(part, "questions"):
            if question not in schemes:
                raise TemplateError(part.below("questions"), f"names {question}", "name questions of the key only")
            if schemes[question] is not default:
                seen = f"names {question}, which {schemes[question].name} has too"
                raise TemplateError(part.below("questions"), seen, "put each question into one section")
            schemes[question] = scheme
    return schemes


def _parse_marking(node: Node, name: str) -> Scheme:
    _refuse_unknown(node, {"correct", "incorrect", "unmarked"})
    correct, incorrect, unmarked = (_points(node.child(key)) for key in ("correct", "incorrect", "unmarked"))
    return Scheme(name=name, correct=correct, incorrect=incorrect, unmarked=unmarked)


def _parse_worth(answer: Node, scheme: Scheme) -> dict[str, Fraction]:
    """Return the answers that count, and their points: one, any of several, or several with points of their own."""
    if isinstance(answer.value, str):
        return {_text(answer): scheme.correct}
    remedy = 'give "B", or any of ["A", "C"], or with points of their own [["A", 2], ["C", "3/2"]]'
    if not isinstance(answer.value, list) or not answer.value:
        raise answer.refuse(remedy)
    pairs = [part.elements() if isinstance(part.value, list) else [part] for part in answer.elements()]
    if any(len(pair) != len(pairs[0]) or len(pair) > 2 for pair in pairs):
        raise answer.refuse(remedy)
    worth = {_text(pair[0]): _points(pair[1]) if len(pair) == 2 else scheme.correct for pair in pairs}
    if len(worth) < len(pairs):
        raise answer.refuse("give each answer once")
    return worth


def _text(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value:
        raise node.refuse('give an answer such as "B"; what blank is worth says marking_schemes')
    return node.value


def _points(node: Node) -> Fraction:
    """Return a number of points, exactly: 3, 0.5, "-1" or "3/2"."""
    text = str(node.value)
    if isinstance(node.value, bool) or not _POINTS.fullmatch(text) or re.search("/0+$", text):
        raise node.refuse('give points such as 3, 0.5 or "-1/3"')
    return Fraction(text)
