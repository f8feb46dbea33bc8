"""Exporting: books that left the house stand under a number, and stay as they left.

An organisation's exports are numbered from one. Each keeps its file, the file's digest, and a seal that
hashes it together with the export before: a file that was changed, or a number that was taken out, breaks the
chain. What is asked for again, and has not changed, is the same number; what has gone on since, in a month
that is open, is a new number that names the one it replaces. Once a month is closed, and was told after that,
it stays as it was told, whatever the chart says by now.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from compuerta.domain.errors import Broken, Refused
from compuerta.domain.naming import named
from compuerta.services import bookkeeping, telling_books
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.bookkeeping import BooksTooLarge, Frame, Told, Wish
from compuerta.services.export_port import BookExport, BookWriter, CustomerBook, Form, Journal, Part
from compuerta.services.store_port import Store, Transaction

FILE_BYTES_MAX = 512 * 1024**2  # ten million lines; whoever needs more tells the sites apart
PACKED_BYTES_MAX = 64 * 1024**2  # what is kept of it in the database
FIRST = "0" * 64  # what the first seal follows


class ExportUnknown(Refused):
    """There is no export of this number."""

    def __init__(self, export_no: int) -> None:
        super().__init__(f"there is no export {export_no}")
        self.export_no = export_no


class FileDiffers(Broken):
    """The file that is kept is not the one that was numbered."""

    def __init__(self, export_no: int) -> None:
        super().__init__(f"the file of export {export_no} is not the one that left the house")
        self.export_no = export_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An export, and whether it was made just now."""

    export: BookExport
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    packed: bytes
    size: int
    digest: str
    vouchers: int
    layout: str


def make(store: Store, wish: Wish, *, writer: BookWriter, actor: Actor, now: datetime, told: Told) -> Made:
    """Write a month's books in a form and number the file; the same books again are the same number.

    Refuses codes without an account by name. In a closed month what was told stays as it was told.
    """
    frame = bookkeeping.frame_of(store, wish, now=now)
    asked = replace(wish, layout=frame.layout.name if wish.form in (Form.XLSX, Form.CSV) else "")
    with store.transaction() as tx:
        before = _latest(tx, asked)
        if before is not None and _is_final(tx, before):
            return Made(export=before, is_new=False)
    file = _written(store, asked, frame, writer, now=now, told=told)
    with store.transaction() as tx:
        before = _latest(tx, asked)
        if before is not None and before.digest == file.digest:
            return Made(export=before, is_new=False)
        export = _numbered(tx, asked, file, before, actor=actor, now=now)
        tx.exports.put(export, file.packed)
        telling_books.made_export(tx, wish.organisation_id, export.export_no, now=now)
        act = Act(
            act_id=named("book export", wish.organisation_id, export.export_no),
            what="export the books",
            after=f"{wish.month:%Y-%m} {wish.part.value} {wish.form.value}, SHA-256 {file.digest}",
        )
        subject = f"export {export.export_no}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=wish.organisation_id, now=now)])
        return Made(export=export, is_new=True)


def kept(store: Store, *, organisation_id: int) -> list[BookExport]:
    """Return all exports of an organisation by number."""
    with store.transaction() as tx:
        return tx.exports.exports(organisation_id)


def content(store: Store, *, organisation_id: int, export_no: int) -> tuple[BookExport, bytes]:
    """Return an export with its file, to the byte as it left; a file that is another one is a bug."""
    with store.transaction() as tx:
        export = tx.exports.export(organisation_id, export_no)
        if export is None:
            raise ExportUnknown(export_no)
        packed = tx.exports.packed(organisation_id, export_no)
    try:
        file = zlib.decompress(packed)
    except zlib.error as error:
        raise FileDiffers(export_no) from error
    if sha256(file).hexdigest() != export.digest:
        raise FileDiffers(export_no)
    return export, file


def broken_at(exports: Iterable[BookExport]) -> int | None:
    """Return the first number whose seal does not follow from the one before; None while the chain holds."""
    previous = FIRST
    for number, export in enumerate(exports, start=1):
        if (export.export_no, export.previous, export.seal) != (number, previous, _seal(export)):
            return number
        previous = export.seal
    return None


def name_of(export: BookExport) -> str:
    """Return what the file of an export is called: the same export is the same name."""
    ending = {Form.HLEDGER: "journal", Form.BEANCOUNT: "beancount", Form.XLSX: "xlsx", Form.CSV: "csv"}
    site = f"-site{export.site_id}" if export.site_id else ""
    return (
        f"books-{export.month:%Y-%m}-{export.part.value}{site}-{export.export_no:04d}.{ending[export.form]}"
    )


def _latest(tx: Transaction, wish: Wish) -> BookExport | None:
    """Return the last export of the same books in the same form."""
    wanted = (wish.form, wish.part, wish.month, wish.site_id, wish.currency, wish.layout)
    same = [
        each
        for each in tx.exports.exports(wish.organisation_id)
        if (each.form, each.part, each.month, each.site_id, each.currency, each.layout) == wanted
    ]
    return same[-1] if same else None


def _is_final(tx: Transaction, export: BookExport) -> bool:
    """Tell whether an export was made of a month that was closed: what was made before may lack its end."""
    closes = tx.periods.closes(export.organisation_id)
    return any(each.month == export.month and each.closed_at <= export.made_at for each in closes)


def _written(
    store: Store, wish: Wish, frame: Frame, writer: BookWriter, *, now: datetime, told: Told
) -> _File:
    if wish.part is Part.JOURNAL:
        books: Journal | CustomerBook = bookkeeping.journal(store, wish, frame, told=told)
    else:
        books = bookkeeping.customer_book(store, wish, frame, now=now, told=told)
    if isinstance(books, Journal):
        chunks, vouchers = writer.journal(books), len(books.days)
    else:
        chunks, vouchers = writer.customers(books), 0
    return _packed(chunks, vouchers=vouchers, layout=wish.layout or "")


def _packed(chunks: Iterator[bytes], *, vouchers: int, layout: str) -> _File:
    """Hash and deflate a file chunk by chunk: it is never whole in memory."""
    digest, deflated, size, parts, packed_size = sha256(), zlib.compressobj(6), 0, [], 0
    for chunk in chunks:
        digest.update(chunk)
        parts.append(deflated.compress(chunk))
        size += len(chunk)
        packed_size += len(parts[-1])
        if size > FILE_BYTES_MAX or packed_size > PACKED_BYTES_MAX:
            raise BooksTooLarge("bytes", FILE_BYTES_MAX)
    parts.append(deflated.flush())
    return _File(
        packed=b"".join(parts), size=size, digest=digest.hexdigest(), vouchers=vouchers, layout=layout
    )


def _numbered(
    tx: Transaction, wish: Wish, file: _File, before: BookExport | None, *, actor: Actor, now: datetime
) -> BookExport:
    last = tx.exports.last(wish.organisation_id)
    export = BookExport(
        organisation_id=wish.organisation_id,
        export_no=1 if last is None else last.export_no + 1,
        form=wish.form,
        part=wish.part,
        month=wish.month,
        site_id=wish.site_id,
        currency=wish.currency,
        layout=file.layout,
        vouchers=file.vouchers,
        size=file.size,
        digest=file.digest,
        previous=FIRST if last is None else last.seal,
        seal="",
        replaces=None if before is None else before.export_no,
        made_by=actor.who,
        made_at=now,
    )
    return replace(export, seal=_seal(export))


def _seal(export: BookExport) -> str:
    facts = (
        export.previous, export.organisation_id, export.export_no, export.form.value, export.part.value,
        export.month.isoformat(), export.site_id, export.currency, export.layout, export.vouchers,
        export.size, export.digest, export.replaces, export.made_by, export.made_at.isoformat(),
    )  # fmt: skip
    told = "".join(
        f"{len(str(each))}:{each}" for each in facts
    )  # lengths: no two lists of facts are one text
    return sha256(told.encode()).hexdigest()
