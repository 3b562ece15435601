"""Both protocols: what crosses to the dashboard, and what a step prints."""
