"""Roads: the ways to a meter in their order, and what their ends tell of themselves."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from compuerta.domain.party import RoadKind

CSQ_MAX: Final = 31  # 3GPP TS 27.007 8.5; 99 is "not known", and told as None
GATEWAY_SILENT: Final = "gateway_silent"  # the reason of a loss that nobody was left to tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to a meter: an end, and by what road it goes."""

    endpoint_id: str
    road: RoadKind


@dataclass(frozen=True, slots=True, kw_only=True)
class WayFailure:
    """That a meter did not answer by a way: when last, and how often since it did."""

    failed_at: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadSign:
    """What an end tells of its road; None = it did not say."""

    at: datetime
    rsrp_dbm: int | None = None  # NB-IoT and 4G: about -50 near the mast, -140 hardly there
    snr_db: int | None = None
    csq: int | None = None  # 0 to CSQ_MAX
    cell: str | None = None
    next_contact_at: datetime | None = None  # until when a sleeper will have said something


# What modems can tell, with room (3GPP TS 27.007 8.5, 8.69). Who tells more is broken, or hostile.
RSRP_DBM: Final = range(-200, 1)
SNR_DB: Final = range(-100, 101)
CSQ: Final = range(32)
CELL_CHARS_MAX: Final = 60


def believed(sign: RoadSign) -> RoadSign:
    """Return a sign without what no modem can tell: one device's nonsense must not stop what keeps all."""
    cell = sign.cell
    return replace(
        sign,
        rsrp_dbm=sign.rsrp_dbm if sign.rsrp_dbm in RSRP_DBM else None,
        snr_db=sign.snr_db if sign.snr_db in SNR_DB else None,
        csq=sign.csq if sign.csq in CSQ else None,
        cell=cell if cell is not None and cell.isprintable() and len(cell) <= CELL_CHARS_MAX else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndContact:
    """That an end was met; `lost_reason` says why it is gone again, "" = it is there. None = as it was."""

    endpoint_id: str
    at: datetime | None = None
    next_at: datetime | None = None  # by then it will have said something again
    sign: RoadSign | None = None
    lost_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """How the end of a road stands."""

    is_alive: bool
    changed_at: datetime  # since when it is there, or gone
    contact_at: datetime | None = None
    next_contact_at: datetime | None = None
    lost_reason: str = ""
