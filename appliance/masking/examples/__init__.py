"""What a mask makes of a value, computed without a server: examples with the options that are written."""
