"""How much of what is personal a scan finds, and how much of what it names is personal."""

from __future__ import annotations

from appliance.discovery.scanning import Sampler, scan
from tests.engine.clusters import Cluster
from tests.engine.scan_benchmark import columns, script
from tests.engine.source_session import catalog_of, session


def test_recall_and_precision_over_a_labelled_schema(source: Cluster, source_database: str) -> None:
    for statement in script():
        source.sql(source_database, statement)
    source.sql(source_database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    catalog = catalog_of(source, source_database, "reader")
    with session(source, source_database, "reader") as opened:
        result = scan("s", catalog, Sampler(lambda: opened, catalog.encoding))
    said = {(each.table_name, each.column): each.verdict == "personal" for each in result.findings}
    labelled = columns()
    assert len(labelled) == len(said) >= 400
    personal = {(each.table, each.name) for each in labelled if each.personal}
    named = {place for place, yes in said.items() if yes}
    recall, precision = len(named & personal) / len(personal), len(named & personal) / len(named)
    missed, wrong = sorted(personal - named), sorted(named - personal)
    assert recall >= 0.95, missed
    assert precision >= 0.9, wrong
