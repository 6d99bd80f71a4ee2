"""What was fetched, kept in files that others may read while they are written."""

from __future__ import annotations

import tempfile
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put this content at a path: whoever reads meanwhile sees the old file or the new one, never a part of it.

    :raises OSError: it cannot be written; what was there still is
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", delete=False) as file:
        new = Path(file.name)
        try:
            file.write(content)
            file.flush()
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
