"""Running the appliance's long-lived programs under systemd, with watchdogs that only proven work feeds.

Standard library only, but for ``settings_json``: one of these processes stands beside each service, and
what it imports is memory that the steps do not have.
"""
