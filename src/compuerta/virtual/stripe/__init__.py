"""A payment provider in software: behaves as Stripe documents, as far as one shop's cards need it.

`sessions` are its orders and how they are told of, `telling` its notices, `world` the provider without
sockets, `opening` the same with keys in a directory.
"""
