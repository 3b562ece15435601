"""Whether a server reads XML, and which masks ask it to."""

from __future__ import annotations

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

READS_XML = "xml_is_well_formed_content("
"""Stands in whatever the mask ``xml`` makes: the masked value, and what is proven of it."""
DO_WITHOUT = "these do without: null, constant, blank (text)"


def reads_xml(server: Connection[TupleRow]) -> bool:
    """Whether the server was built with libxml. psycopg errors of the session itself pass."""
    try:
        with server.transaction():
            server.execute("SELECT pg_catalog.xml_is_well_formed_content('<a/>')")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True
