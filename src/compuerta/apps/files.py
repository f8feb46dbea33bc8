"""Files that are there whole or not at all, for their owner alone: keys, words, orders."""

import os
from pathlib import Path


def write_whole(path: Path, octets: bytes) -> None:
    """Write a file whole or not at all, mode 0600; one that is there is replaced."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)  # of a process that was killed; it may be anybody's to read
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
