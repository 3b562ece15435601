"""The documentation. ``docs.pages`` writes the pages that are made from the code."""
