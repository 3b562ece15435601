CREATE TYPE public.mood AS ENUM ('bad', 'so-so, "quoted"', 'good');
CREATE TYPE public.pair AS (a int, b text);
CREATE DOMAIN public.rate AS numeric(6,1);
CREATE TABLE public.typed (
    id bigint, small smallint, real_ real, double_ double precision, yes boolean, price numeric(10,2),
    loose numeric, huge numeric, hollow numeric(8,2), in_domain public.rate, blanks char(5), mood public.mood,
    uid uuid, doc jsonb, raw bytea, day date, at timestamptz, local_at timestamp, endless date, clock time,
    late_clock time, span interval, net inet, range_ int4range, pair public.pair, ints int[], texts text[],
    prices numeric(6,2)[], moods public.mood[], times timestamptz[], in_domains public.rate[], grid int[],
    object_id oid
);
INSERT INTO public.typed VALUES (
    1, -32768, 1.5, 'Infinity', true, 12345678.9, -1.125, 1e40, 'NaN', 5.5, 'ab', 'so-so, "quoted"',
    '00000000-0000-0000-0000-0000000000ff', '{"a": [1, null]}', '\x00ff', '2024-02-29',
    '2024-03-01 00:30:00.123456+02', '1969-12-31 23:59:59.999999', 'infinity', '23:59:59.999999', '24:00',
    '1 month -1 day 2 hours', '10.0.0.0/8', '[1,4]', (1, 'a b'), '{1,NULL,-3}', '{"",NULL,"a,\"b\"","NULL"}',
    '{1.5,NULL}', ARRAY['good', 'so-so, "quoted"']::public.mood[], '{2000-01-01 00:00:00+00}', '{0.5}',
    '{{1,2},{3,4}}', 4294967295
);
INSERT INTO public.typed (id, ints, texts, blanks, loose) VALUES (2, '{}', '{}', '', 99999999);
INSERT INTO public.typed (id) VALUES (3);
GRANT SELECT ON public.typed TO reader;
