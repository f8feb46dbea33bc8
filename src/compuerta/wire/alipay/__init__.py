"""Alipay's open platform (gateway.do), without I/O: RSA2 signatures, bodies, notices and bills.

Everything here takes bytes and times as arguments; whatever cannot be read is refused by name.
"""
