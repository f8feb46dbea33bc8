"""Which writer writes which form."""

from compuerta.adapters.books.beancount import Beancount
from compuerta.adapters.books.hledger import Hledger
from compuerta.adapters.books.sheets import Csv, Xlsx
from compuerta.services.export_port import BookWriter, Form


def writer_of(form: Form) -> BookWriter:
    """Return what writes a form."""
    match form:
        case Form.HLEDGER:
            return Hledger()
        case Form.BEANCOUNT:
            return Beancount()
        case Form.XLSX:
            return Xlsx()
        case Form.CSV:
            return Csv()
