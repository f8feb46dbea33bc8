"""Decoding speed of our Modbus RTU against pymodbus, both in this one run.

Each side turns the bytes of requests and of answers into messages: its framer finds the frame and checks its
CRC, its decoder says what was asked or answered. Bytes come frame by frame, as from a line; then once more
cut in pieces of five, as they come from a slow bus. The best of several rounds counts for both: the machine
is shared.

    python -m bench.modbus [--rounds 7]
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from compuerta.wire import modbus
from compuerta.wire.modbus import Deframer, Frame, Side

PASSES = 200  # over all frames, per round
PIECE_BYTES = 5
UNIT_NO = 17
TARGET = 3.0
# What a poll by the map `modbus-generic` puts on a line (energy, relay, power, clock), and a switch.
REQUESTS: Sequence[modbus.Request] = (
    modbus.ReadRegisters(start=0x00, quantity=10),
    modbus.ReadRegisters(start=0x12, quantity=1),
    modbus.ReadRegisters(start=0x10, quantity=2),
    modbus.ReadRegisters(start=0x14, quantity=3),
    modbus.WriteRegister(at=0x20, value=1),
)
ANSWERS: Sequence[modbus.Answer] = (
    *(modbus.Registers(octets=bytes(range(2 * count))) for count in (10, 1, 2, 3)),
    modbus.WriteRegister(at=0x20, value=1),
)


def main() -> None:
    """Print both speeds and their ratio, whole and in pieces."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    logging.disable(logging.CRITICAL)  # a log line would be measured instead
    for name, piece_bytes, wanted in (("whole", 300, f" (wanted {TARGET})"), ("pieces", PIECE_BYTES, "")):
        ours_s = theirs_s = float("inf")
        for _ in range(rounds):  # interleaved, so that a busy second hurts both
            ours_s = min(ours_s, _timed(_our_round, piece_bytes))
            theirs_s = min(theirs_s, _timed(_their_round, piece_bytes))
        frames = (len(REQUESTS) + len(ANSWERS)) * PASSES
        sys.stdout.write(
            f"{name}: decode of {frames} frames\n"
            f"compuerta.wire.modbus  {ours_s / frames * 1e6:8.2f} us per frame\n"
            f"pymodbus               {theirs_s / frames * 1e6:8.2f} us per frame\n"
            f"ratio                  {theirs_s / ours_s:8.2f}{wanted}\n"
        )


def _wires(
    messages: Sequence[modbus.Request] | Sequence[modbus.Answer], piece_bytes: int
) -> list[list[bytes]]:
    wires = [modbus.encode(Frame(UNIT_NO, each.to_pdu())) for each in messages]
    return [[wire[at : at + piece_bytes] for at in range(0, len(wire), piece_bytes)] for wire in wires]


def _timed(one_round: Callable[[int], int], piece_bytes: int) -> float:
    started = time.perf_counter()
    decoded = one_round(piece_bytes)
    taken_s = time.perf_counter() - started
    assert decoded == (len(REQUESTS) + len(ANSWERS)) * PASSES, "a frame was not decoded"
    return taken_s


def _our_round(piece_bytes: int) -> int:
    decoded = 0
    for side, wires, parse in (
        (Side.MASTER, _wires(REQUESTS, piece_bytes), modbus.parse_request),
        (Side.METER, _wires(ANSWERS, piece_bytes), modbus.parse_answer),
    ):
        deframer = Deframer(side)  # one for the life of a line, as in a gateway
        for _ in range(PASSES):
            for wire in wires:
                for piece in wire:
                    for frame in deframer.receive(piece, now_ms=0):
                        parse(frame.pdu)
                        decoded += 1
    return decoded


def _their_round(piece_bytes: int) -> int:
    decoded = 0
    for is_server, wires in ((True, _wires(REQUESTS, piece_bytes)), (False, _wires(ANSWERS, piece_bytes))):
        framer = FramerRTU(DecodePDU(is_server))
        for _ in range(PASSES):
            for wire in wires:
                heard = b""
                for piece in wire:
                    heard += piece
                    used, message = framer.handleFrame(heard, 0, 0)
                    heard = heard[used:]
                    decoded += message is not None
    return decoded


if __name__ == "__main__":
    main()
