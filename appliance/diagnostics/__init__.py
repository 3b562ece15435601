"""One archive that says how this appliance is, for whoever is asked for help: no secret, no row's value."""
