"""The demo's production database: a shop that does not exist, and its people, the same at every build."""
