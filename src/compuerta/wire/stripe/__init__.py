"""Stripe's API, without I/O: the signature of its notices, the forms it is sent, and the objects it tells of.

Everything here takes bytes and times as arguments; whatever cannot be read is refused by name.
"""
