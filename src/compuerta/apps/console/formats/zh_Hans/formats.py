"""Accounts in Chinese group by three digits, as printed papers do; Django would not group."""

NUMBER_GROUPING = 3
THOUSAND_SEPARATOR = ","
