"""What a road gives at a place: how soon, how surely, and how often somebody has to go there.

The figures of a band are an engineer's expectation, and are measured against the road's own where a site
stands already. RSRP decides, and a bad SNR takes a place down to the band that its noise allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from compuerta.domain.advice import PPM, WIRED_VISITS_PPM, Signal, Spot, Target
from compuerta.domain.party import RoadKind


class Heard(Enum):
    """How well a network is heard."""

    GOOD = "good"
    FAIR = "fair"
    WEAK = "weak"
    WIRE = "wire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a road gives."""

    heard: Heard
    latency_ms: int  # p95, from payment to relay
    success_ppm: int
    visits_ppm: int  # visits per meter and year
    measured: bool = False

    def meets(self, target: Target) -> bool:
        """Tell whether this is as good as is wanted."""
        return self.latency_ms <= target.latency_ms and self.success_ppm >= target.success_ppm


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """From which signal on a network gives a service, and what a gateway behind it adds to a line's."""

    rsrp_dbm_min: int
    snr_db_min: int
    service: Service
    uplink_ms: int


def _band(
    heard: Heard, signal: tuple[int, int], latency_ms: int, success_ppm: int, rest: tuple[int, int]
) -> Band:
    visits_ppm, uplink_ms = rest
    return Band(
        rsrp_dbm_min=signal[0],
        snr_db_min=signal[1],
        service=Service(heard=heard, latency_ms=latency_ms, success_ppm=success_ppm, visits_ppm=visits_ppm),
        uplink_ms=uplink_ms,
    )


# NB-IoT's bands are its coverage enhancement levels 0, 1 and 2 (3GPP TS 36.321 5.1): more repetitions each.
BANDS: Mapping[RoadKind, tuple[Band, ...]] = MappingProxyType(
    {
        RoadKind.MOBILE_4G: (
            _band(Heard.GOOD, (-98, 8), 2_000, 998_000, (10_000, 500)),
            _band(Heard.FAIR, (-108, 2), 3_500, 992_000, (20_000, 1_000)),
            _band(Heard.WEAK, (-116, -3), 8_000, 965_000, (80_000, 3_000)),
        ),
        RoadKind.NBIOT: (
            _band(Heard.GOOD, (-105, 3), 8_000, 990_000, (10_000, 4_000)),
            _band(Heard.FAIR, (-118, -3), 16_000, 970_000, (30_000, 9_000)),
            _band(Heard.WEAK, (-128, -9), 45_000, 900_000, (120_000, 25_000)),
        ),
    }
)
# A signal that was reckoned may be this much worse: shadowing in a building (3GPP TR 38.901: 4 to 8 dB).
ESTIMATE_MARGIN_DB = 6
# Recharge, relay and proof at 2,400 baud 2.0 s, one exchange in the way 0.75 s, one absent meter 0.8 s.
LINE = Service(heard=Heard.WIRE, latency_ms=3_550, success_ppm=998_000, visits_ppm=WIRED_VISITS_PPM)
_LAN_MS = 50


def wireless(spot: Spot, road: RoadKind) -> Service | None:
    """Return what 4G or NB-IoT gives at a place; None where it is not heard, or nobody knows."""
    signal = spot.mobile if road is RoadKind.MOBILE_4G else spot.nbiot
    band = _band_of(signal, road, margin_db=ESTIMATE_MARGIN_DB if spot.estimated else 0)
    standing = spot.standing
    if standing is None or standing.road is not road:
        return band.service if band else None
    return _measured(spot, band.service if band else BANDS[road][-1].service)


def uplink(spot: Spot) -> Service | None:
    """Return what an RS485 line gives whose gateway stands at a place; None where it reaches nobody."""
    if spot.lan:
        return replace(LINE, latency_ms=LINE.latency_ms + _LAN_MS)
    band = _band_of(spot.mobile, RoadKind.MOBILE_4G, margin_db=ESTIMATE_MARGIN_DB if spot.estimated else 0)
    if band is None:
        return None
    return replace(
        LINE,
        latency_ms=LINE.latency_ms + band.uplink_ms,
        success_ppm=LINE.success_ppm * band.service.success_ppm // PPM,
    )


def kept_line(spot: Spot) -> Service | None:
    """Return what the line gives that a place hangs on already; None where it hangs on none."""
    if spot.standing is None or spot.standing.road is not RoadKind.RS485:
        return None
    return _measured(spot, LINE)


def _band_of(signal: Signal | None, road: RoadKind, *, margin_db: int) -> Band | None:
    if signal is None:
        return None
    for band in BANDS[road]:
        quiet = signal.snr_db is None or signal.snr_db - margin_db >= band.snr_db_min
        if quiet and signal.rsrp_dbm - margin_db >= band.rsrp_dbm_min:
            return band
    return None


def _measured(spot: Spot, expected: Service) -> Service:
    standing = spot.standing
    assert standing is not None, "asked only of a place that has a road"
    told = replace(
        expected,
        measured=standing.latency_ms is not None or standing.retries_ppm is not None,
    )
    if standing.latency_ms is not None:
        told = replace(told, latency_ms=standing.latency_ms)
    if standing.retries_ppm is not None:
        told = replace(told, success_ppm=PPM - standing.retries_ppm)
    return told
