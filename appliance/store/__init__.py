"""The appliance's own database: runs, events waiting to leave, queries."""
