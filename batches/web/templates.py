"""The pages of sheet templates: take one in, look at it, print its sheets and covers."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count
from django.forms import CharField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import condition, require_http_methods, require_POST, require_safe

from batches.errors import BatchError, WrongState
from batches.models import SheetTemplate
from batches.permissions import may_edit_templates
from batches.template_folders import MOST_ZIP_BYTES, take_layout, take_zip
from batches.web.refusals import told
from batches.web.views import page
from omr.errors import TemplateError
from omr.printing.errors import PrintingError
from omr.template import Template, parse_template

MOST_COVERS = 200
MOST_SHEETS = 1000
"""In one PDF: two seconds and 20 MB of memory; more of them come in several."""

ZIP_START = b"PK"

NAME = CharField(required=False, max_length=SheetTemplate._meta.get_field("name").max_length)


class FormRefused(Exception):
    """What was given in a form cannot be; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """One field block of a template, for people."""

    name: str
    columns: str
    values: str
    is_identity: bool


@require_http_methods(["GET", "HEAD", "POST"])
@page
def list_templates(request: HttpRequest) -> HttpResponse:
    """List the templates; take a new one in."""
    may_edit = may_edit_templates(request.user)
    if request.method == "POST" and may_edit:
        return _take(request, _new_template, lambda problem: _list(request, problem=problem))
    return _list(request, status=403 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def show_template(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a template; take its folder in anew."""
    template = _find(slug)
    if request.method == "POST" and may_edit_templates(request.user):
        return _take(request, lambda *_: template, lambda problem: _show(request, _find(slug), problem=problem))
    return _show(request, template, status=403 if request.method == "POST" else 200)


def _etag(_request: HttpRequest, slug: str) -> str | None:
    changed_at = SheetTemplate.objects.filter(slug=slug).values_list("updated_at", flat=True).first()
    return f'"{changed_at.timestamp()}"' if changed_at else None


@require_safe
@page
@condition(etag_func=_etag)
def draw_template(_request: HttpRequest, slug: str) -> HttpResponse:
    """Draw the empty sheet of a template as SVG, with its field blocks on it."""
    from omr.printing.preview import draw_preview  # only who draws pays for reportlab and its typeface

    answer = HttpResponse(draw_preview(parse_template(_find(slug).document)), content_type="image/svg+xml")
    patch_cache_control(answer, private=True, no_cache=True)
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@require_POST
@page
def print_template(request: HttpRequest, slug: str) -> HttpResponse:
    """Print answer sheets and covers as PDF."""
    template = _find(slug)
    try:
        sheets, covers = _copies(request.POST.get("sheets", "")), _codes(request.POST.get("covers", ""))
        if not (sheets or covers):
            raise FormRefused(_("Nothing to print: say how many sheets, or type the codes of covers"))
        pdf = _write_pdf(template, sheets, covers)
    except (FormRefused, PrintingError) as error:
        return _show(request, template, problem=str(error), status=400)
    answer = HttpResponse(pdf, content_type="application/pdf")
    answer["Content-Disposition"] = content_disposition_header(True, f"{template.slug}.pdf") or ""
    return answer


def _list(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    templates = SheetTemplate.objects.defer("document").annotate(batch_count=Count("batches"))
    context = {
        "templates": templates,
        "may_edit": may_edit_templates(request.user),
        "problem": problem,
        "slug": request.POST.get("slug", ""),
        "name": request.POST.get("name", ""),
    }
    return render(request, "batches/templates.html", context, status=400 if problem else status)


def _show(request: HttpRequest, template: SheetTemplate, *, problem: str = "", status: int = 200) -> HttpResponse:
    layout = parse_template(template.document)
    context = {
        "template": template,
        "layout": layout,
        "blocks": _blocks(layout),
        "drawing_problem": _drawing_problem(layout),
        "may_edit": may_edit_templates(request.user),
        "problem": problem,
        "most_sheets": MOST_SHEETS,
        "most_covers": MOST_COVERS,
        "sheets": request.POST.get("sheets", "1"),
        "covers": request.POST.get("covers", ""),
    }
    return render(request, "batches/template.html", context, status=400 if problem else status)


def _take(
    request: HttpRequest,
    whose: Callable[[HttpRequest, "UploadedFile[bytes]"], SheetTemplate],
    refuse: Callable[[str], HttpResponse],
) -> HttpResponse:
    """Make the template that ``whose`` gives what the file in the form says."""
    try:
        file = request.FILES.get("file")
        if file is None:
            raise FormRefused(_("No file came with the form; choose a template.json or the ZIP of its folder"))
        template, name = whose(request, file), _clean_name(request.POST.get("name", ""))
        if file.read(len(ZIP_START)) == ZIP_START:
            file.seek(0)
            take_zip(template, file, name=name)
        else:
            file.seek(0)
            take_layout(template, file.read(MOST_ZIP_BYTES), name=name)
    except (FormRefused, TemplateError, BatchError, WrongState) as error:
        return refuse(told(error))
    return redirect("template", slug=template.slug)


def _clean_name(name: str) -> str:
    try:
        cleaned: str = NAME.clean(name)
    except ValidationError as error:
        raise FormRefused(f"{name[:60]}: {' '.join(error.messages)}") from error
    return cleaned


def _new_template(request: HttpRequest, file: "UploadedFile[bytes]") -> SheetTemplate:
    """Return the template that the form names, or that its file's name does."""
    stem = Path(file.name or "").stem
    slug = request.POST.get("slug", "").strip() or slugify("" if stem == "template" else stem)
    if not slug:
        raise FormRefused(_("Say what batches call the template: a short name of letters, digits and hyphens"))
    template = SheetTemplate(slug=slug)
    try:
        template.clean_fields(exclude=["name", "document", "answer_key"])
        template.validate_unique()
    except ValidationError as error:
        raise FormRefused(f"{slug}: {' '.join(error.messages)}") from error
    return template


def _blocks(layout: Template) -> list[Block]:
    blocks = []
    for block in layout.blocks:
        columns = layout.columns_of(block)
        names = [column.name for column in columns] or [field.name for field in block.fields]
        blocks.append(
            Block(
                name=block.name,
                columns=names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}",
                values=" ".join(bubble.value for bubble in block.fields[0].bubbles),
                is_identity=all(column.question is None for column in columns),
            )
        )
    return blocks


def _drawing_problem(layout: Template) -> str:
    """Return why no sheet of ``layout`` can be drawn; empty when one can."""
    from omr.printing.sheet import draw_sheet

    try:
        draw_sheet(layout)
    except PrintingError as error:
        return str(error)
    return ""


def _copies(text: str) -> int:
    if not text.strip():
        return 0
    if not re.fullmatch("[0-9]{1,6}", text.strip()) or int(text) > MOST_SHEETS:
        seen = {"seen": text[:20], "most": MOST_SHEETS}
        raise FormRefused(_("%(seen)s sheets cannot be printed at once; give a number up to %(most)d") % seen)
    return int(text)


def _codes(text: str) -> list[str]:
    """Return the codes, one a line, in their order."""
    codes = [line.strip() for line in text.splitlines() if line.strip()]
    if len(codes) > MOST_COVERS:
        counts = {"seen": len(codes), "most": MOST_COVERS}
        raise FormRefused(_("%(seen)d covers at once are too many; print at most %(most)d, then the next") % counts)
    if repeated := next((code for code in codes if codes.count(code) > 1), ""):
        raise FormRefused(_("%(code)s is there twice; each group has a code of its own") % {"code": repeated[:60]})
    return codes


def _write_pdf(template: SheetTemplate, sheets: int, covers: list[str]) -> bytes:
    from omr.printing.cover import draw_cover
    from omr.printing.pdf import write_pdf
    from omr.printing.sheet import draw_sheet

    layout = parse_template(template.document)
    drawings = [draw_cover(layout, code) for code in covers] + [draw_sheet(layout)] * sheets
    with tempfile.TemporaryDirectory(prefix="print-") as folder:
        path = Path(folder) / "sheets.pdf"
        write_pdf(path, drawings, title=f"Answer sheets {template.slug}")
        return path.read_bytes()


def _find(slug: str) -> SheetTemplate:
    template = SheetTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise Http404
    return template
