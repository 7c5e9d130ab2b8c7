"""The site's secret key: made at the first run, kept beside the data, never shipped."""

import os
import secrets
from pathlib import Path


def load_secret_key(path: Path) -> str:
    """Return the key kept in ``path``; make one, readable by the owner only, when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written aside and linked, so that two processes at their first start agree on one whole key.
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(50))
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text().strip()
