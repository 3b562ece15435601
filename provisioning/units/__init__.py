"""The appliance's user, folders, settings and systemd units."""
