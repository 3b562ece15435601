"""Deliveries in buckets, as the ledger of copies names them: ``connection/folder/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.buckets.access import access_of, open_store
from appliance.buckets.objects import delete_folder, is_there
from appliance.connections.database import Connection
from appliance.connections.file import Connections, select_buckets

if TYPE_CHECKING:
    from appliance.buckets.access import Store


def is_in_bucket(place: str, connections: dict[str, Connection]) -> bool:
    """Whether any object of the delivery is there. Raises our errors where that cannot be said."""
    name, _, folder = place.partition("/")
    return is_there(_open(name, connections), name, folder)


def delete_in_bucket(place: str, connections: dict[str, Connection]) -> int:
    """Delete all objects of the delivery; how many. Raises our errors."""
    name, _, folder = place.partition("/")
    return delete_folder(_open(name, connections), name, folder)


def _open(name: str, connections: dict[str, Connection]) -> Store:
    known = connections if isinstance(connections, Connections) else Connections()
    return open_store(access_of(name, select_buckets(known, [name])[name]))
