"""The text of every event: the one place of its wording. 1 MB = 2**20 bytes, 1 GB = 2**30."""

MB = 2**20
GB = 2**30


def chunk_uploaded(number: int, total: int, size_bytes: int) -> str:
    return f"Chunk {number}/{total} uploaded ({size_bytes / MB:.2f}MB)"


REASSEMBLING = "Reassembling upload"


def reassembled(size_bytes: int, seconds: float) -> str:
    return f"Upload reassembled: {file_size(size_bytes)} in {seconds:.0f}s"


def upload_expired(here_bytes: int, size_bytes: int, hours: float) -> str:
    arrived = f"{file_size(here_bytes)} of {file_size(size_bytes)} arrived"
    return f"Upload expired: {arrived}, and nothing more for {hours:.0f} hours; begin a new one"


def file_size(size_bytes: int) -> str:
    return f"{size_bytes / GB:.2f}GB" if size_bytes >= GB else f"{size_bytes / MB:.2f}MB"


def waiting_behind(batches_ahead: int) -> str:
    return f"Waiting: {batches_ahead} batches ahead"


NO_RUNNER = "Waiting: no runner is active"

EXTRACTING = "Extracting ZIP"


def extracted(files: int) -> str:
    return f"Extracted {files} files from ZIP"


ORGANIZING = "Organizing by QR codes"


def cover_read(number: int, total: int, code: str) -> str:
    return f"Processing chunk {number}/{total}: QR code {code}"


def organized(groups: int, sheets: int) -> str:
    return f"Organized into {groups} groups, {sheets} files total"


def dispatched(sheets: int) -> str:
    return f"Dispatched {sheets} tasks to workers"


def sheets_read(done: int, total: int) -> str:
    return f"Progress: {done}/{total} tasks completed"


def all_sheets_read(total: int) -> str:
    return f"All {total} tasks completed"


COLLECTING = "Collecting results from Redis"


def collected(results: int, seconds: float) -> str:
    return f"Collected all {results} results in {seconds:.2f}s"


WRITING_CSV = "Generating CSV files"


def csv_written(sheets: int, answers: int) -> str:
    return f"CSV generation complete: {sheets} sheets, {answers} answers"


def loading(database: str) -> str:
    return f"Loading to database via {database}"


def loaded(sheets: int, answers: int, milliseconds: int) -> str:
    return f"Database load completed: {sheets} sheets, {answers} answers in {milliseconds}ms"


CLEANING = "Cleanup batch files"


def cleaned(covers: int, archive: str) -> str:
    """``archive`` is what became of the ZIP: "archived", or "kept" for a local one."""
    return f"Batch cleanup completed: {covers} QR covers, processing_dir=deleted, zip={archive}"


def completed(review: int) -> str:
    success = "BATCH COMPLETED SUCCESSFULLY"
    if not review:
        return success
    return f"{success}: {review} sheet needs review" if review == 1 else f"{success}: {review} sheets need review"


CANCELLED = "BATCH CANCELLED"


def covers_unreadable(numbers: list[int], total: int) -> str:
    """``numbers`` are the positions of the unreadable covers among the ``total`` covers, from 1."""
    return f"QR code read failed: Chunk {', '.join(f'{number}/{total}' for number in numbers)}"


def cover_unreadable_detail(file_name: str) -> str:
    return f"QR decode error: {file_name}: no code could be read"


def cover_repeated(code: str, file_names: list[str]) -> str:
    return f"QR code {code} is on more than one cover: {', '.join(file_names)}"


def no_cover(pages: int, *, first: str) -> str:
    return f"No cover found: none of the {pages} pages has a QR code, the first is {first}; say which is one"


def sheets_before_cover(sheets: int, cover: str, *, first: str) -> str:
    lie, their = ("1 sheet lies", "its") if sheets == 1 else (f"{sheets} sheets lie", "their")
    return f"{lie} before the first cover {cover}, the first is {first}; give the code of {their} group"


def may_be_cover_detail(file_name: str) -> str:
    return f"{file_name}: may be a cover; no code and no sheet could be seen"


def sheets_without_cover_detail(file_name: str, sheets: int) -> str:
    """``file_name`` is the first of the ``sheets``."""
    return f"{file_name}: the sheet has no cover" if sheets == 1 else f"{file_name}: {sheets} sheets have no cover"


def no_sheets(covers: int) -> str:
    seen, them = ("the only page is a cover", "it") if covers == 1 else (f"all {covers} pages are covers", "them")
    return f"No sheet found: {seen}; scan the sheets that belong under {them} and give a new ZIP"
