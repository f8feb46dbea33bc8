"""Acknowledging: other books say what became of each voucher, and under which number it stands there.

What they have taken stays taken: an answer that says otherwise is refused, since it would tell of money that
is booked twice, or not at all. What they refused may be taken later. An answer that comes twice is one.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.export_port import Answer, BookExport
from compuerta.services.exporting import ExportUnknown
from compuerta.services.store_port import Store

ANSWERS_MAX = 100_000
TEXT_MAX = 200
_YES = frozenset({"1", "ok", "yes", "true", "si", "sí", "是"})
_NO = frozenset({"0", "no", "false", "error", "否"})
_FIELDS = ("voucher_no", "their_no", "ok", "note", "booked_on")


class AnswerUnfit(Refused):
    """An answer that says nothing that can be kept."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}; nothing of it was taken")
        self.where = where
        self.reason = reason


class AnswerContradicts(Refused):
    """A voucher that stands in the other books already, and under another number, or is said not to."""

    def __init__(self, voucher_no: int, before: str) -> None:
        super().__init__(
            f"voucher {voucher_no} stands there as {before} already: clear it up in the other books first; "
            "nothing of it was taken"
        )
        self.voucher_no = voucher_no
        self.before = before


class MonthElsewhere(Refused):
    """A voucher that was booked into another month there: a closed one, or one that is not told yet."""

    def __init__(self, voucher_no: int, booked_on: date, month: date) -> None:
        super().__init__(
            f"voucher {voucher_no} is of {month:%Y-%m}, and was booked there on {booked_on}: "
            "book it in its own month; nothing of it was taken"
        )
        self.voucher_no = voucher_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the other books say of the vouchers of an export."""

    organisation_id: int
    export_no: int
    answers: tuple[Answer, ...]


def acknowledge(store: Store, said: Acknowledgement, *, actor: Actor, act_id: UUID, now: datetime) -> int:
    """Keep what the other books say of an export's vouchers; returns how many answers were new.

    All of it is taken, or nothing.
    """
    with store.transaction() as tx:
        export = tx.exports.export(said.organisation_id, said.export_no)
        if export is None:
            raise ExportUnknown(said.export_no)
        known = tx.exports.answers(said.organisation_id, said.export_no)
        new = _new(said.answers, export, known)
        if new:
            tx.exports.put_answers(export, new, by=actor.who, at=now)
            ok = sum(each.ok for each in new)
            act = Act(
                act_id=act_id,
                what="acknowledge an export",
                after=f"{ok} taken, {len(new) - ok} refused there",
            )
            subject = f"export {export.export_no}"
            tx.put_audit([entry_about(subject, actor, act, organisation_id=said.organisation_id, now=now)])
        return len(new)


def answers_in(text: str) -> tuple[Answer, ...]:
    """Read answers from CSV with the columns voucher_no, their_no and ok, and note and booked_on if told.

    Comma or semicolon; refuses what is none, with its line.
    """
    first, _, _ = text.removeprefix("\ufeff").partition("\n")
    reader = csv.DictReader(
        io.StringIO(text.removeprefix("\ufeff")), delimiter=";" if ";" in first else ",", strict=True
    )
    try:
        missing = {"voucher_no", "their_no", "ok"}.difference(reader.fieldnames or ())
        if missing:
            raise AnswerUnfit("line 1", f"there is no column {', '.join(sorted(missing))}")
        answers: list[Answer] = []
        for row in reader:
            if len(answers) >= ANSWERS_MAX:
                raise AnswerUnfit(f"line {reader.line_num}", f"more than {ANSWERS_MAX} answers")
            answers.append(_answer(f"line {reader.line_num}", row))
    except csv.Error as error:
        raise AnswerUnfit(f"line {reader.line_num}", str(error)) from error
    if not answers:
        raise AnswerUnfit("the file", "there is no answer in it")
    return tuple(answers)


def _new(answers: Sequence[Answer], export: BookExport, known: Mapping[int, Answer]) -> list[Answer]:
    heard = dict(known)
    new = []
    for answer in answers:
        _require_fit(answer, export)
        before = heard.get(answer.voucher_no)
        if before == answer:
            continue
        if before is not None and before.ok:
            raise AnswerContradicts(answer.voucher_no, before.their_no)
        if before is not None and before is not known.get(answer.voucher_no):
            raise AnswerUnfit(f"voucher {answer.voucher_no}", "it is answered twice, differently")
        heard[answer.voucher_no] = answer
        new.append(answer)
    return new


def _require_fit(answer: Answer, export: BookExport) -> None:
    where = f"voucher {answer.voucher_no}"
    if not 1 <= answer.voucher_no <= export.vouchers:
        raise AnswerUnfit(where, f"export {export.export_no} has vouchers 1 to {export.vouchers}")
    if answer.ok and not answer.their_no.strip():
        raise AnswerUnfit(where, "write the number that it has there")
    if not answer.ok and not answer.note.strip():
        raise AnswerUnfit(where, "write why it was not taken there")
    for text in (answer.their_no, answer.note):
        if len(text) > TEXT_MAX or not text.isprintable():
            raise AnswerUnfit(where, f"a number or a note has up to {TEXT_MAX} characters in one line")
    if answer.booked_on is not None and answer.booked_on.replace(day=1) != export.month:
        raise MonthElsewhere(answer.voucher_no, answer.booked_on, export.month)


def _answer(where: str, row: Mapping[str, str | None]) -> Answer:
    voucher_no, their_no, ok, note, booked_on = ((row.get(name) or "").strip() for name in _FIELDS)
    if not (voucher_no.isascii() and voucher_no.isdigit() and len(voucher_no) <= 9):
        raise AnswerUnfit(where, f"{voucher_no!r} is no number of a voucher")
    if ok.casefold() not in _YES | _NO:
        raise AnswerUnfit(where, f"ok is {ok!r}: write yes or no")
    try:
        day = date.fromisoformat(booked_on) if booked_on else None
    except ValueError:
        raise AnswerUnfit(where, f"booked_on is {booked_on!r}: write it as 2026-11-30") from None
    return Answer(
        voucher_no=int(voucher_no), their_no=their_no, ok=ok.casefold() in _YES, note=note, booked_on=day
    )
