"""One encrypted file with everything that is this appliance's state, and its way back onto a machine."""
