"""The deploy that turns a bare Debian or Ubuntu VM into an appliance: docs/install.md walks through it."""
