"""In which order the indexes of a twin are built, and with how much memory."""

from __future__ import annotations

from appliance.postgres.building.made_object import Building
from appliance.postgres.building.post_data import KEYS, building_jobs
from appliance.postgres.source.archive_contents import Entry

TABLE = Entry(
    dump_id=1, class_oid=1259, oid=100, tag="t", kind="TABLE", section="pre-data", sql="…", schema_name="s"
)


def entry(dump_id: int, oid: int, kind: str, sql: str) -> Entry:
    return Entry(
        dump_id=dump_id,
        class_oid=1259,
        oid=oid,
        tag=f"object {oid}",
        kind=kind,
        section="post-data",
        sql=sql,
        schema_name="s",
        depends_on=(1,),
    )


KEY = entry(2, 201, "CONSTRAINT", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);\n")
DATES = entry(3, 202, "INDEX", "CREATE INDEX dates ON s.t USING btree (at);\n")
MAILS = entry(4, 203, "INDEX", "CREATE INDEX mails ON s.t USING btree (email);\n")
WORDS = entry(5, 204, "INDEX", "CREATE INDEX words ON s.t USING gin (words);\n")


def in_order(building: Building) -> list[str]:
    jobs = building_jobs(building, [KEY, DATES, MAILS, WORDS])[KEYS]
    return [job.key for job in sorted(jobs, key=lambda job: job.rank)]


def test_the_index_that_is_largest_in_the_source_is_built_first() -> None:
    sizes = {KEY.oid: 50, DATES.oid: 51, MAILS.oid: 150, WORDS.oid: 7}
    building = Building([TABLE], sizes={("s", "t"): 1000}, index_bytes=sizes)
    assert in_order(building) == ["4", "3", "2", "5"]


def test_an_index_of_unknown_size_is_taken_to_be_as_large_as_its_table() -> None:
    building = Building([TABLE], sizes={("s", "t"): 1000}, index_bytes={MAILS.oid: 999})
    assert in_order(building) == ["2", "3", "5", "4"]
