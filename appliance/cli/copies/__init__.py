"""Command groups for what runs have made: twins, branches, exports, receipts."""
