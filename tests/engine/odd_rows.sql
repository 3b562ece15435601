-- Tables whose names, columns and values are hard to write to a file.
CREATE TABLE public."odd.name/ü" (id int PRIMARY KEY, "say ""what""" text, doc json, docb jsonb, tags text[],
    raw bytea, n numeric, f float8, at timestamptz,
    twice int GENERATED ALWAYS AS (2 * id) STORED);
INSERT INTO public."odd.name/ü" VALUES
    (1, E'back\\slash, "quoted"\nnew line\ttab \x01\x02', E'{\n  "a": "x\\ny",\r\n "b": [1]}', '{"k": null}',
        '{"a,b","c\"d"}', '\x00ff', 'NaN', 'Infinity', '2026-01-02 03:04:05.678+00'),
    (2, '', NULL, NULL, NULL, NULL, 12345678901234567890.123456789, 0.1, NULL),
    (3, NULL, 'null', 'null', '{}', '', 0, -0.0, NULL),
    (4, E'\\.', '"é☃"', '[]', NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.part (id int, kind text) PARTITION BY LIST (kind);
CREATE TABLE public.part_a PARTITION OF public.part FOR VALUES IN ('a');
CREATE TABLE public.part_b PARTITION OF public.part FOR VALUES IN ('b');
INSERT INTO public.part SELECT i, CASE WHEN i % 3 = 0 THEN 'b' ELSE 'a' END FROM generate_series(1, 90) AS i;
CREATE TABLE public.parent (id int);
CREATE TABLE public.child (extra text) INHERITS (public.parent);
INSERT INTO public.parent VALUES (1);
INSERT INTO public.child VALUES (2, 'two');
CREATE TABLE public.nothing (id int);
-- Columns with the names that a query may give to a table.
CREATE TABLE public.t (t time, r date, x int);
INSERT INTO public.t VALUES ('12:00', '2026-01-02', 3);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
