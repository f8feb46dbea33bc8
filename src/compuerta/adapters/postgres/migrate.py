"""The schema: numbered SQL files, forward only, each applied in one transaction."""

from pathlib import Path

SCHEMA = Path(__file__).parent / "schema"


def statements(number: int) -> str:
    """Return the SQL of the file with this number; there is exactly one."""
    (found,) = SCHEMA.glob(f"{number:04d}_*.sql")
    return found.read_text(encoding="utf-8")


def numbers() -> list[int]:
    """Return the numbers of all schema files, in order."""
    return sorted(int(path.name.split("_", maxsplit=1)[0]) for path in SCHEMA.glob("*.sql"))
