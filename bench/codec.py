"""Framing speed of our DL/T 645 codec against the PyPI package `dlt645`, both in this one run.

Each side decodes every vector from bytes to a frame and builds the same bytes again. The peer's logging is
switched off, since a log line per frame would be measured instead of its framing. The best of several rounds
counts for both: the machine is shared.

    python -m bench.codec [--rounds 7]
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from compuerta.wire import dlt645

WAKE = 0xFE
PASSES = 40  # over all vectors, per round: about 3,000 frames
OUTSIDE = Path(__file__).parents[2] / "shared" / "vectors" / "dlt645.json"
OWN = Path(dlt645.__file__).parent / "vectors.json"


def main() -> None:
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    source = OUTSIDE if OUTSIDE.exists() else OWN
    wires = [bytes.fromhex(vector["hex"]) for vector in json.loads(source.read_text("utf-8"))]
    theirs = _their_round()
    ours_s = peer_s = float("inf")
    for _ in range(rounds):  # interleaved, so that a busy second hurts both
        ours_s = min(ours_s, _timed(_our_round, wires))
        peer_s = min(peer_s, _timed(theirs, wires))
    frames = len(wires) * PASSES
    sys.stdout.write(
        f"{len(wires)} vectors from {source.name}, decode and encode\n"
        f"compuerta.wire.dlt645  {ours_s / frames * 1e6:8.2f} us per frame\n"
        f"PyPI dlt645            {peer_s / frames * 1e6:8.2f} us per frame\n"
        f"ratio                  {peer_s / ours_s:8.2f}\n"
    )


def _timed(one_round: Callable[[Sequence[bytes]], None], wires: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for _ in range(PASSES):
        one_round(wires)
    return time.perf_counter() - started


def _our_round(wires: Sequence[bytes]) -> None:
    deframer = dlt645.Deframer()  # one for the life of a line, as in a gateway
    for wire in wires:
        (frame,) = deframer.receive(wire, now_ms=0)
        assert dlt645.encode(frame, wake_bytes=4 if wire[0] == WAKE else 0) == wire


def _their_round() -> Callable[[Sequence[bytes]], None]:
    # The peer is imported here, since importing it sets up its log.
    from dlt645.protocol.protocol import DLT645Protocol  # type: ignore[import-untyped]
    from loguru import logger

    logger.remove()
    logging.disable(logging.CRITICAL)

    def one_round(wires: Sequence[bytes]) -> None:
        for wire in wires:
            frame = DLT645Protocol.deserialize(wire)
            assert DLT645Protocol.serialize(frame) == wire

    return one_round


if __name__ == "__main__":
    main()
