"""What a run leaves behind: its documents, its receipt, its line in the ledger of copies."""
