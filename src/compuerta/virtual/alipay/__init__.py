"""Alipay in software, for demonstrations, tests and runs in virtual time.

`world` is the gateway without sockets (time and chance are arguments), `telling` its notices and how it
misbehaves, `trades` what it holds, `bills` the bills that it makes of it, `keys` the keys of both sides.
"""
