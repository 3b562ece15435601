"""The release repository as an appliance sees it: what it trusts, how it looks, and how it fetches.

The repository is static files after The Update Framework. What is signed, by whom, how old it may be and that
nothing older comes back is judged by python-tuf; this room gives it bytes, from a server or from a folder.
"""
