"""WeChat Pay API v3, without I/O: signatures, the sealed resource, and the bodies of both directions.

Everything here takes bytes, times and nonces as arguments; whatever cannot be read is refused by name.
"""
