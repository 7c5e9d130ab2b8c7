"""Small whole ZIPs of real pages, as the programs of several systems write them."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from tests.batches.files import a_pdf, a_tiff, saved
from tests.batches.zips import DEFLATED, DOS, File, a_mac_zip, write_zip


def make_pages() -> dict[str, bytes]:
    """Return a file of each kind, the ones of several pages too, each different."""
    first, second = (saved(_drawing(text), "JPEG") for text in ("one", "two"))
    return {
        "a/page_1.jpg": first,
        "a/page_2.png": saved(_drawing("three"), "PNG"),
        "b/Bögen.tif": a_tiff([first, second]),
        "b/scans.pdf": a_pdf([first, second]),
        "page_10.jpg": second,
    }


def _drawing(text: str) -> Image.Image:
    picture = Image.new("L", (48, 64), 255)
    ImageDraw.Draw(picture).text((4, 20), text, fill=0)
    return picture


def make_seeds(pages: Mapping[str, bytes], folder: Path) -> list[bytes]:
    """Return a ZIP of ``pages`` from every program that is at hand; ``folder`` is for their files."""
    encoded = [File(name=name.encode(), content=content) for name, content in pages.items()]
    of_dos = [
        File(name=name.replace("/", "\\").encode("cp437"), content=content, method=DEFLATED, system=DOS)
        for name, content in pages.items()
    ]
    path = folder / "seed.zip"
    written = [
        write_zip(path, encoded).read_bytes(),
        write_zip(path, encoded, in_64_bits=True, comment=b"PK\x05\x06 as a comment").read_bytes(),
        b"something before it" + write_zip(path, of_dos, comment=b"scans").read_bytes(),
        a_mac_zip(path, list(pages), pages["a/page_1.jpg"]).read_bytes(),
    ]
    by_python = [_packed_by_python(pages, method, in_64_bits=wide) for method in (0, 8) for wide in (False, True)]
    return [*written, *by_python, *_packed_by_zip(pages, folder)]


def _packed_by_python(pages: Mapping[str, bytes], method: int, *, in_64_bits: bool) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in pages.items():
            with archive.open(name, "w", force_zip64=in_64_bits) as member:
                member.write(content)
    return target.getvalue()


def _packed_by_zip(pages: Mapping[str, bytes], folder: Path) -> list[bytes]:
    """Return what the program ``zip`` makes of them, into a file and into a pipe; nothing where it is missing."""
    if not shutil.which("zip"):
        return []
    scans = folder / "scans"
    for name, content in pages.items():
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        (scans / name).write_bytes(content)
    commands = (["zip", "-q", "-r", "-", "."], ["zip", "-q", "-0", "-fz", "-r", "-", "."])
    return [subprocess.run(command, cwd=scans, check=True, capture_output=True).stdout for command in commands]
