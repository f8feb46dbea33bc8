"""Forms that books are written in: for hledger, for beancount, and as vouchers in spreadsheets."""
