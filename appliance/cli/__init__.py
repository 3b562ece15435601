"""The appliance command line: thin, one file a command group."""
