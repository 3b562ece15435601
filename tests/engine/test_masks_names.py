"""Names of one language, of the sex that a row says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.masking.compiler import compile_column
from appliance.masking.word_lists import word_list
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, bind, make_lab, remove_lab, spec


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def test_a_name_is_one_of_its_locale(lab: Lab) -> None:
    values = [f"Ann {number}" for number in range(200)]
    german = {*word_list("female_de_de").words, *word_list("male_de_de").words}
    first = lab.masked("text", values, spec("first_name", locale="de_DE"))
    assert set(first) <= german and len(set(first)) > 80
    assert set(lab.masked("text", values, spec("first_name", locale="de_DE", gender="female"))) <= set(
        word_list("female_de_de").words
    )
    lasts = set(word_list("last_ja_jp").words)
    assert all(
        name.split(" ")[0] in lasts for name in lab.masked("text", values, spec("full_name", locale="ja_JP"))
    )
    assert all(
        len(name) <= 8 for name in lab.masked("varchar(8)", values[:9], spec("first_name", locale="de_DE"))
    )


def test_a_row_says_of_which_sex_its_name_is(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.people (id int PRIMARY KEY, sex char(1), first text, whole text);"
        "INSERT INTO lab.people SELECT i, CASE i % 3 WHEN 0 THEN 'F' WHEN 1 THEN 'm' END, 'Ann' || i,"
        " 'Ann Lee' || i FROM generate_series(1, 300) AS i"
    )
    table = lab.catalog_table("people")
    masks = {"first": "first_name", "whole": "full_name"}
    columns = [
        compile_column(table, each, spec(masks[each.name], locale="ru_RU", gender_column="sex"))
        for each in table.columns
        if each.name in masks
    ]
    session = lab.session()
    with session.transaction():
        bind(session, columns)
        shown = ", ".join(each.sql for each in columns)
        rows = session.execute(f"SELECT sex, {shown} FROM lab.people".encode()).fetchall()
    female, male = (set(word_list(f"{sex}_ru_ru").words) for sex in ("female", "male"))
    lasts = {sex: set(word_list(f"last_{sex}_ru_ru").words) for sex in ("female", "male")}
    for sex, first, whole in rows:
        given, _, last = whole.partition(" ")
        if sex == "F":
            assert first in female and given in female and last in lasts["female"]
        elif sex == "m":
            assert first in male and given in male and last in lasts["male"]
        else:
            assert first in female | male
    assert {first in female for sex, first, _ in rows if sex is None} == {True, False}


def test_what_a_name_cannot_be_is_said_before_a_row_is_read(lab: Lab) -> None:
    for params, message in (
        ({"gender": "female"}, "gender is given without a locale"),
        ({"locale": "de_DE", "gender": "male", "gender_column": "id"}, "expected one of them"),
        ({"locale": "de_DE", "gender_column": "sex"}, "no column `sex`"),
        ({"locale": "xx_XX"}, "de_DE"),
    ):
        with pytest.raises(Exception, match=message):
            lab.shapes("text", spec("first_name", **params))
    with pytest.raises(Exception, match="has too few of the names"):
        lab.shapes("varchar(2)", spec("first_name", locale="de_DE"))


def test_a_database_without_the_letters_gets_plain_names_or_a_reason(source: Cluster) -> None:
    lab = make_lab(source, "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "LATIN1")
    try:
        assert all(
            name.isascii() for name in lab.masked("text", ["a", "b"], spec("last_name", locale="de_DE"))
        )
        with pytest.raises(Exception, match="LATIN1 has too few of the names of ru_RU"):
            lab.shapes("text", spec("last_name", locale="ru_RU"))
    finally:
        remove_lab(lab)
