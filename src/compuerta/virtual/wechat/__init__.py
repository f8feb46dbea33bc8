"""A payment provider in software: behaves as WeChat Pay v3 documents, for there is no test environment.

`world` is the provider without sockets (time and chance are arguments), `notices` its outgoing notices,
`keys` the keys of both sides; `compuerta.virtual.providers` puts it behind HTTP, with a page for the payer.
"""
