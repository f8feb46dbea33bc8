"""M-Pesa in software: behaves as Daraja documents, as far as one short code needs it.

`payments` are its prompts and receipts and how they are told of, `world` the provider without sockets,
`opening` the same with keys in a directory. Nothing that it tells unasked is signed, as in earnest.
"""
