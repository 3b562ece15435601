"""Security labels of a living source become a workflow."""

from __future__ import annotations

from tests.engine.scenario import Scenario

LABEL = """
SET allow_system_table_mods = on;
INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)
SELECT a.attrelid, 'pg_class'::regclass, a.attnum, 'anon', l.label
FROM (VALUES ('email', 'MASKED WITH FUNCTION anon.fake_email()'), ('notes', 'MASKED WITH VALUE NULL'),
             ('phone', 'MASKED WITH FUNCTION pg_catalog.md5(phone)')) AS l (name, label)
JOIN pg_attribute AS a ON a.attrelid = 'crm.customer'::regclass AND a.attname = l.name;
"""


def test_the_labels_of_a_connection_are_imported(scenario: Scenario) -> None:
    # The provider is a library that no server here has; its labels are rows of a catalog.
    scenario.source.sql(scenario.source_database, LABEL)
    scenario.write()
    file = scenario.folder / "imported.yaml"
    connections = ["--connections", str(scenario.folder / "connections.yaml")]
    command = ["workflow", "import", "anon", "production", "--write", str(file), *connections]
    ended = scenario.command(*command)
    assert ended.code == 0, ended.text
    assert "3 rules: 2 have an equal mask, 0 keep, 1 have no equal." in ended.err
    assert "crm.customer.phone: pg_catalog.md5." in ended.err
    text = file.read_text()
    assert "source: production" in text and '"crm.customer.email": email' in text
