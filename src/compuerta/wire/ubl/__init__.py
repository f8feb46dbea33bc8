"""UBL 2.1 invoices and credit notes, by the rules of EN 16931."""
