"""M-Pesa's Daraja API, without I/O: what it is asked, what it answers, and what it tells unasked.

Nothing that it tells unasked is signed. Everything here takes bytes and times as arguments; whatever cannot
be read is refused by name.
"""
