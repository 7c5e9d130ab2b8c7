"""What a template may say, and what is refused with the path of the key and the remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from omr.corners import Shape
from omr.errors import TemplateError
from omr.folders import load_template_folder, read_template_folder
from omr.preprocessors import CropOnMarkers, CropPage, FeatureBasedAlignment, GaussianBlur, Levels, MedianBlur
from omr.template import SHIPPED, Template, load_template, parse_template
from tests.omr.photographs import a_marker, as_png

BLOCK = {"fieldType": "QTYPE_MCQ4", "origin": [50, 60], "bubblesGap": 40, "labelsGap": 30, "fieldLabels": ["q1..3"]}


def a_document(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    page = {"pageDimensions": [300, 400], "bubbleDimensions": [20, 20], "fieldBlocks": {"B": BLOCK}}
    return page | {"preProcessors": list(steps)} | more


def a_folder(path: Path, document: dict[str, Any], **files: bytes) -> Path:
    (path / "template.json").write_text(json.dumps(document), encoding="utf-8")
    for name, content in files.items():
        (path / name.replace("_", ".")).write_bytes(content)
    return path


def with_block(**changes: Any) -> Template:
    return parse_template(a_document(fieldBlocks={"B": BLOCK | changes}))


def test_a_right_to_left_field_has_its_last_option_at_the_left() -> None:
    first = with_block(fieldType="QTYPE_MCQ5_RTL").fields[0]

    assert [bubble.value for bubble in first.bubbles] == ["E", "D", "C", "B", "A"]
    assert first.bubbles[0].x < first.bubbles[-1].x


def test_a_block_may_have_bubbles_of_its_own_size_and_its_own_empty_value() -> None:
    field = with_block(bubbleDimensions=[10, 12], emptyValue="-").fields[0]

    assert (field.bubbles[0].width, field.bubbles[0].height) == (10, 12)
    assert (field.bubbles[0].x, field.bubbles[0].y) == (55, 66)
    assert field.empty_value == "-"


def test_the_preprocessors_keep_their_order() -> None:
    steps = parse_template(
        a_document(
            {"name": "Levels", "options": {"low": 0.7, "high": 0.8}},
            {"name": "GaussianBlur", "options": {"kSize": [3, 5], "sigmaX": 0}},
            {"name": "MedianBlur", "options": {"kSize": 5}},
            {"name": "CropPage", "options": {"morphKernel": [10, 10]}},
        )
    ).steps

    assert steps == (
        Levels(low=0.7, high=0.8, gamma=1.0),
        GaussianBlur(kernel=(3, 5), sigma=0.0),
        MedianBlur(kernel=5),
        CropPage(),
    )


def test_a_folder_becomes_one_document_that_holds_its_files_and_its_config(tmp_path: Path) -> None:
    marker = {"name": "CropOnMarkers", "options": {"relativePath": "m.png", "sheetToMarkerWidthRatio": 15}}
    reference = {"name": "FeatureBasedAlignment", "options": {"reference": "r.png", "maxFeatures": 800, "2d": True}}
    config = json.dumps({"dimensions": {"processing_width": 900}}).encode()
    folder = a_folder(tmp_path, a_document(marker, reference), m_png=b"marker", r_png=b"reference", config_json=config)

    document = read_template_folder(folder)
    template = parse_template(json.loads(json.dumps(document)))

    assert template == load_template_folder(folder)
    assert template.processing_width == 900
    assert template.steps == (
        CropOnMarkers(marker=b"marker", sheet_to_marker_width=15.0),
        FeatureBasedAlignment(reference=b"reference", most_features=800, is_affine=True),
    )


def test_fiducials_may_have_different_shapes() -> None:
    fiducials = load_template(SHIPPED / "openmcr-75" / "template.json").fiducials

    assert fiducials
    assert fiducials.shapes == (Shape.L, Shape.SQUARE, Shape.SQUARE, Shape.SQUARE)
    x, y = fiducials.centres[0]
    assert fiducials.ink_centres == ((x + 15, y + 15), *fiducials.centres[1:])


def test_a_template_of_omrchecker_does_not_expect_our_print() -> None:
    assert parse_template(a_document({"name": "CropPage"})).is_foreign
    assert not load_template(SHIPPED / "standard-150" / "template.json").is_foreign
    assert not parse_template(a_document({"name": "CropPage"}, foreignPrint=False)).is_foreign


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"name": "Sharpen"}, r"preProcessors\[0\]\.name"),
        ({"name": "MedianBlur", "options": {"kSize": 4}}, r"options\.kSize"),
        ({"name": "GaussianBlur", "options": {"kSize": [3]}}, r"options\.kSize"),
        ({"name": "Levels", "options": {"low": 0.9, "high": 0.8}}, r"options\.low"),
        ({"name": "CropOnMarkers", "options": {"relativePath": "gone.jpg"}}, r"options\.relativePath.*gone\.jpg"),
        ({"name": "CropOnMarkers", "options": {"sheetToMarkerWidthRatio": "wide"}}, "sheetToMarkerWidthRatio"),
        ({"name": "FeatureBasedAlignment", "options": {}}, r"options\.reference"),
        (
            {"name": "CornerFiducials", "options": {"size": 9, "centres": [[1, 1]] * 4, "shapes": ["star"] * 4}},
            "shapes",
        ),
        (["CropPage"], r"preProcessors\[0\]"),
    ],
)
def test_a_wrong_preprocessor_is_refused_with_the_path_of_its_key(step: Any, path: str) -> None:
    with pytest.raises(TemplateError, match=path):
        parse_template(a_document(step))


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"files": {"a.png": "not Base64!"}}, r"files\.a\.png"),
        ({"config": {"dimensions": {"processing_width": 0}}}, r"config\.dimensions\.processing_width"),
        ({"foreignPrint": "yes"}, "foreignPrint"),
        ({"preProcessors": {}}, "preProcessors"),
    ],
)
def test_a_wrong_key_is_refused_with_its_path(more: dict[str, Any], path: str) -> None:
    with pytest.raises(TemplateError, match=path):
        parse_template(a_document(**more))


def test_a_marker_that_has_no_name_is_the_usual_one(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a_document({"name": "CropOnMarkers"}))
    (folder / "omr_marker.jpg").write_bytes(b"marker")

    assert load_template_folder(folder).steps == (CropOnMarkers(marker=b"marker", sheet_to_marker_width=17.0),)


def test_a_folder_names_no_files_outside_it(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(as_png(a_marker()))
    inside = tmp_path / "template"
    inside.mkdir()
    step = {"name": "CropOnMarkers", "options": {"relativePath": "../secret.png"}}

    with pytest.raises(TemplateError, match="inside the template's folder"):
        read_template_folder(a_folder(inside, a_document(step)))


def test_a_folder_without_its_files_is_refused_with_their_names(tmp_path: Path) -> None:
    step = {"name": "FeatureBasedAlignment", "options": {"reference": "sheet.png"}}

    with pytest.raises(TemplateError, match=r"template\.json: not readable"):
        load_template_folder(tmp_path)
    with pytest.raises(TemplateError, match=r"options\.reference: cannot be read"):
        load_template_folder(a_folder(tmp_path, a_document(step)))
