"""Accounts in Spanish put a point between thousands, as printed papers do."""

THOUSAND_SEPARATOR = "."
