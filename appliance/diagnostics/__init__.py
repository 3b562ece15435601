"""One archive that says how this appliance is, for a person asked for help: no secret, no row's value."""
