-- Rows for every_object.sql: enough that every key, foreign key and materialised view has something to hold.
SET session_replication_role = replica;
INSERT INTO crm.customer ("Full Name", email, mood, addresses, home, tags, budget, credit, born, search)
SELECT 'Ünï ' || i, 'person' || i || '@example.com', CASE WHEN i % 3 = 0 THEN 'glücklich' ELSE 'sad' END::crm.mood,
    ARRAY[ROW('Road ' || i, '1010', 'AT')::crm.address], ROW('Home', '1', 'DE')::crm.address, ARRAY['a', NULL],
    crm.price_range(i, i + 1), i + 0.5, DATE '1980-01-01' + i, to_tsvector('simple', 'word' || i)
FROM generate_series(1, 300) AS i;
UPDATE crm.customer SET referred_by = 100 WHERE id > 200;
INSERT INTO "Verkauf & Co"."Bestellung" (customer, size, during, room)
SELECT 100 + 10 * (i % 300), 'M', tstzrange('2024-01-01'::timestamptz + i * interval '1 day',
    '2024-01-01'::timestamptz + (i + 1) * interval '1 day'), i % 7 FROM generate_series(0, 499) AS i;
UPDATE crm.customer AS c SET main_order = o.id FROM "Verkauf & Co"."Bestellung" AS o WHERE o.customer = c.id AND o.id <= 300;
INSERT INTO public.event (id, at, customer)
SELECT i, DATE '2024-06-01' + i, 100 + 10 * (i % 300) FROM generate_series(1, 1000) AS i;
INSERT INTO public.event_detail SELECT id, id, at FROM public.event;
INSERT INTO public.cycle_b VALUES (1, 1), (2, 2);
INSERT INTO public.cycle_a VALUES (1, 1), (2, 2);
INSERT INTO public.cycle_c VALUES (1, 1), (2, 2);
INSERT INTO public.no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.vehicle VALUES (1, 2), (2, 4);
INSERT INTO public.car VALUES (3, 4, 90, 5);
INSERT INTO crm.typed VALUES ('Lane', '1', 'FR');
INSERT INTO public.volatile_one VALUES (1, 'gone after a crash');
INSERT INTO public.trigger_log (what) VALUES ('by hand');
RESET session_replication_role;
REFRESH MATERIALIZED VIEW public.per_mood;
REFRESH MATERIALIZED VIEW public.above;
