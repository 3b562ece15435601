"""The demo: the whole appliance on this machine, and a run of it to watch."""
