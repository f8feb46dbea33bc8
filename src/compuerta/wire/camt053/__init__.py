"""camt.053.001.08, the statement of an account as banks send it (ISO 20022, BankToCustomerStatementV08)."""
