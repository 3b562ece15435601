"""Command groups of those who write and run workflows."""
