"""Accounts in Chinese group by three digits, as printed papers do; Django would group by four."""

NUMBER_GROUPING = 3
