-- One of every kind of object that a twin has to carry. Names are awkward on purpose.
CREATE SCHEMA crm;
CREATE SCHEMA "Verkauf & Co";
COMMENT ON SCHEMA crm IS 'customers';

CREATE EXTENSION citext WITH SCHEMA crm;
CREATE EXTENSION btree_gist;
CREATE EXTENSION pg_trgm WITH SCHEMA "Verkauf & Co";

CREATE TYPE crm.mood AS ENUM ('sad', 'it''s fine', 'glücklich', '');
CREATE TYPE crm.address AS (street text, "Post Code" varchar(10), "countrY" character(2));
CREATE DOMAIN crm.email AS crm.citext CHECK (value LIKE '%@%') NOT NULL;
CREATE DOMAIN crm.positive AS numeric(12, 2) DEFAULT 1 CONSTRAINT above_zero CHECK (value > 0);
CREATE TYPE crm.price_range AS RANGE (subtype = numeric, multirange_type_name = crm.price_ranges);
CREATE TYPE "Verkauf & Co"."Größe" AS ENUM ('S', 'M', 'L');
COMMENT ON TYPE crm.mood IS 'how they feel';
COMMENT ON DOMAIN crm.positive IS 'more than nothing';
CREATE COLLATION crm.german (provider = icu, locale = 'de-DE');
CREATE COLLATION crm.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TEXT SEARCH DICTIONARY crm.plain_dictionary (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION crm.plain (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION crm.plain ADD MAPPING FOR asciiword, word WITH crm.plain_dictionary, simple;
COMMENT ON TEXT SEARCH CONFIGURATION crm.plain IS 'plain words';

CREATE SEQUENCE crm.ticket_number AS integer START 7 INCREMENT BY 3 MINVALUE 4 MAXVALUE 5000 CACHE 5 CYCLE;
CREATE SEQUENCE public.never_used;
CREATE SEQUENCE public."down" INCREMENT BY -1;
SELECT nextval('crm.ticket_number'), nextval('crm.ticket_number'), nextval('public."down"');

CREATE FUNCTION crm.shout(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT upper($1) || '!' $$;
CREATE FUNCTION crm.next_ticket() RETURNS text LANGUAGE sql
    BEGIN ATOMIC; SELECT 'T-' || nextval('crm.ticket_number'::regclass); END;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $body$
BEGIN
    -- Name: looks like an archive comment; Type: TABLE; Schema: public; Owner: -
    INSERT INTO public.trigger_log (what) VALUES (TG_TABLE_NAME || ' "quoted" ''single'' $$dollar$$');
    RETURN coalesce(NEW, OLD);
END
$body$;
CREATE PROCEDURE crm.tidy(INOUT n integer DEFAULT 3) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE FUNCTION crm.many(VARIADIC numbers integer[], OUT total bigint, OUT average numeric) LANGUAGE sql
    AS $$ SELECT sum(x), avg(x) FROM unnest(numbers) x $$;
CREATE AGGREGATE crm.longest(text) (SFUNC = pg_catalog.text_larger, STYPE = text);
CREATE OPERATOR crm.!!! (FUNCTION = crm.shout, RIGHTARG = text);
CREATE FUNCTION crm.mood_number(crm.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT length($1::text) $$;
CREATE CAST (crm.mood AS integer) WITH FUNCTION crm.mood_number(crm.mood) AS ASSIGNMENT;
COMMENT ON FUNCTION crm.shout(text) IS 'louder; it''s "quoted"';
COMMENT ON PROCEDURE crm.tidy(INOUT integer) IS 'counts';

CREATE TABLE public.trigger_log (id bigserial PRIMARY KEY, what text NOT NULL, at timestamptz DEFAULT now());
CREATE TABLE public.no_columns ();
CREATE TABLE public.no_key (a integer, b text);
CREATE UNLOGGED TABLE public.volatile_one (id integer PRIMARY KEY, v text);

CREATE TABLE crm.customer (
    id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY,
    code text NOT NULL DEFAULT crm.next_ticket(),
    email crm.email UNIQUE,
    "Full Name" text COLLATE crm.german NOT NULL,
    "naïve ☃ 列" text DEFAULT 'it''s \ here',
    nick text COLLATE crm.any_case,
    mood crm.mood DEFAULT 'it''s fine',
    addresses crm.address[] NOT NULL DEFAULT '{}',
    home crm.address,
    tags text[],
    budget crm.price_range,
    credit crm.positive,
    born date,
    profile jsonb DEFAULT '{"a": [1, 2]}',
    search tsvector,
    shouted text GENERATED ALWAYS AS (crm.shout("Full Name")) STORED,
    referred_by bigint REFERENCES crm.customer (id) ON DELETE SET NULL,
    main_order bigint,
    CONSTRAINT "born before today" CHECK (born < DATE '2100-01-01'),
    CONSTRAINT code_format CHECK (code ~ '^T-') NO INHERIT
) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
COMMENT ON TABLE crm.customer IS 'who buys; row 1''s owner';
COMMENT ON COLUMN crm.customer."naïve ☃ 列" IS 'snow';
COMMENT ON CONSTRAINT "born before today" ON crm.customer IS 'no birth in the future';
ALTER TABLE crm.customer ALTER COLUMN profile SET STORAGE EXTERNAL, ALTER COLUMN search SET STATISTICS 500,
    ALTER COLUMN "Full Name" SET (n_distinct = -0.5);
CREATE INDEX "customer name" ON crm.customer (lower("Full Name") DESC NULLS LAST, id) INCLUDE (born)
    WITH (fillfactor = 50) WHERE born IS NOT NULL;
ALTER INDEX crm."customer name" ALTER COLUMN 1 SET STATISTICS 300;
CREATE INDEX customer_trigram ON crm.customer USING gin ("Full Name" "Verkauf & Co".gin_trgm_ops);
CREATE INDEX customer_search ON crm.customer USING gin (search);
CREATE UNIQUE INDEX customer_nick ON crm.customer (nick) NULLS NOT DISTINCT WHERE id > 1000000;
CREATE UNIQUE INDEX customer_code ON crm.customer (code);
COMMENT ON INDEX crm.customer_search IS 'fast';
ALTER TABLE crm.customer CLUSTER ON customer_code;
ALTER TABLE crm.customer REPLICA IDENTITY USING INDEX customer_code;
CREATE STATISTICS crm.customer_stats (ndistinct, dependencies) ON born, nick FROM crm.customer;
CREATE STATISTICS crm.customer_expression ON (lower("Full Name")) FROM crm.customer;
COMMENT ON STATISTICS crm.customer_stats IS 'together';

CREATE TABLE "Verkauf & Co"."Bestellung" (
    id serial PRIMARY KEY,
    customer bigint NOT NULL,
    number text DEFAULT 'O-' || nextval('public.never_used'),
    size "Verkauf & Co"."Größe",
    during tstzrange,
    room integer,
    note text,
    CONSTRAINT "kunde fk" FOREIGN KEY (customer) REFERENCES crm.customer (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0),
    CONSTRAINT order_customer UNIQUE (id, customer),
    CONSTRAINT later UNIQUE (number, id) INCLUDE (size) DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE crm.customer ADD CONSTRAINT main_order_fk FOREIGN KEY (main_order, id)
    REFERENCES "Verkauf & Co"."Bestellung" (id, customer) ON UPDATE CASCADE DEFERRABLE;
ALTER TABLE "Verkauf & Co"."Bestellung" ADD CONSTRAINT note_is_short CHECK (length(note) < 5) NOT VALID;
ALTER TABLE "Verkauf & Co"."Bestellung" REPLICA IDENTITY FULL;
COMMENT ON CONSTRAINT "kunde fk" ON "Verkauf & Co"."Bestellung" IS 'who';

-- partitions: by range, below it by list and by hash, with defaults, keys and foreign keys both ways
CREATE TABLE public.event (
    id bigint NOT NULL, at date NOT NULL, kind text NOT NULL DEFAULT 'x', customer bigint, room integer,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE public.event_2024 PARTITION OF public.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.event_2025 PARTITION OF public.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY LIST (id);
CREATE TABLE crm."event 2025 one" PARTITION OF public.event_2025 FOR VALUES IN (1, 2);
CREATE TABLE public.event_2025_rest PARTITION OF public.event_2025 DEFAULT PARTITION BY HASH (id);
CREATE TABLE public.event_2025_rest_0 PARTITION OF public.event_2025_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.event_2025_rest_1 (room integer, kind text NOT NULL DEFAULT 'y', extra integer, at date NOT NULL,
    id bigint NOT NULL, customer bigint);
ALTER TABLE public.event_2025_rest_1 DROP COLUMN extra;
ALTER TABLE public.event_2025_rest ATTACH PARTITION public.event_2025_rest_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.event_other PARTITION OF public.event DEFAULT;
CREATE INDEX event_kind ON public.event (kind);
CREATE INDEX event_2024_only ON public.event_2024 (customer) WHERE kind = 'x';
CREATE UNIQUE INDEX event_id_only ON ONLY public.event (at, id);
ALTER TABLE public.event ADD FOREIGN KEY (customer) REFERENCES crm.customer (id);
CREATE TABLE public.event_detail (
    id bigint PRIMARY KEY, event_id bigint, event_at date,
    FOREIGN KEY (event_id, event_at) REFERENCES public.event (id, at) ON DELETE CASCADE
);
COMMENT ON TABLE public.event_2024 IS 'a leaf';

-- inheritance, typed table, several parents
CREATE TABLE public.vehicle (id integer PRIMARY KEY, wheels integer DEFAULT 4 CHECK (wheels > 0));
CREATE TABLE public.motor (power numeric);
CREATE TABLE public.car (doors integer) INHERITS (public.vehicle, public.motor);
ALTER TABLE public.car ALTER COLUMN wheels SET DEFAULT 5;
CREATE TABLE crm.typed OF crm.address (street WITH OPTIONS DEFAULT 'here', PRIMARY KEY (street));

-- a cycle of foreign keys over three tables
CREATE TABLE public.cycle_a (id integer PRIMARY KEY, b integer);
CREATE TABLE public.cycle_b (id integer PRIMARY KEY, c integer);
CREATE TABLE public.cycle_c (id integer PRIMARY KEY, a integer REFERENCES public.cycle_a);
ALTER TABLE public.cycle_a ADD FOREIGN KEY (b) REFERENCES public.cycle_b;
ALTER TABLE public.cycle_b ADD FOREIGN KEY (c) REFERENCES public.cycle_c;

-- views, materialised views upon one another, rules
CREATE VIEW crm.grown_up WITH (security_barrier) AS
    SELECT id, "Full Name", born FROM crm.customer WHERE born < '2008-01-01' WITH LOCAL CHECK OPTION;
ALTER VIEW crm.grown_up ALTER COLUMN born SET DEFAULT '2000-01-01';
CREATE RECURSIVE VIEW public.counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
CREATE MATERIALIZED VIEW public.per_mood AS SELECT mood, count(*) AS n FROM crm.customer GROUP BY mood;
CREATE VIEW public.between AS SELECT mood, n * 2 AS n2 FROM public.per_mood;
CREATE MATERIALIZED VIEW public.above AS SELECT sum(n2) AS total FROM public.between;
CREATE UNIQUE INDEX per_mood_key ON public.per_mood (mood);
CREATE MATERIALIZED VIEW public.unfilled AS SELECT 1 AS one WITH NO DATA;
COMMENT ON MATERIALIZED VIEW public.per_mood IS 'how many';
COMMENT ON VIEW public.between IS 'twice';
COMMENT ON COLUMN public.between.n2 IS 'twice n';
CREATE VIEW public.loop_one AS SELECT 1 AS id, 'x'::text AS t;
CREATE VIEW public.loop_two AS SELECT id, t FROM public.loop_one;
CREATE OR REPLACE VIEW public.loop_one AS SELECT id, t FROM public.loop_two WHERE false;
CREATE VIEW public.key_reliant AS SELECT id, code, count(*) AS n FROM crm.customer GROUP BY id;
CREATE RULE no_delete AS ON DELETE TO public.no_key DO INSTEAD NOTHING;
CREATE RULE no_update AS ON UPDATE TO public.no_key DO ALSO NOTIFY changed;
ALTER TABLE public.no_key DISABLE RULE no_update;
CREATE RULE grown_up_delete AS ON DELETE TO crm.grown_up DO INSTEAD DELETE FROM crm.customer WHERE id = OLD.id;
COMMENT ON RULE no_delete ON public.no_key IS 'keep';

-- triggers in every state
CREATE TRIGGER t_on AFTER INSERT OR UPDATE OF code ON crm.customer FOR EACH ROW
    WHEN (NEW.code IS NOT NULL) EXECUTE FUNCTION public.touch('with', 'it''s args');
CREATE TRIGGER t_off BEFORE INSERT ON crm.customer FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE crm.customer DISABLE TRIGGER t_off;
CREATE TRIGGER t_always AFTER DELETE ON crm.customer FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE crm.customer ENABLE ALWAYS TRIGGER t_always;
CREATE TRIGGER t_replica AFTER TRUNCATE ON crm.customer FOR EACH STATEMENT EXECUTE FUNCTION public.touch();
ALTER TABLE crm.customer ENABLE REPLICA TRIGGER t_replica;
CREATE CONSTRAINT TRIGGER t_constraint AFTER INSERT ON crm.customer FROM "Verkauf & Co"."Bestellung"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE TRIGGER t_parts AFTER INSERT ON public.event FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE public.event_2024 DISABLE TRIGGER t_parts;
CREATE TRIGGER t_statement AFTER UPDATE ON public.no_key REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION public.touch();
CREATE TRIGGER t_instead INSTEAD OF INSERT ON public.between FOR EACH ROW EXECUTE FUNCTION public.touch();
COMMENT ON TRIGGER t_on ON crm.customer IS 'logs';

-- row-level security
ALTER TABLE crm.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON crm.customer FOR SELECT USING (true);
CREATE POLICY writers ON crm.customer AS RESTRICTIVE FOR UPDATE USING (id > 0) WITH CHECK (id > 1);
COMMENT ON POLICY everyone ON crm.customer IS 'all see all';
ALTER TABLE public.no_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE public.vehicle ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME public."vehicle ids" START 50);
ALTER SEQUENCE crm.ticket_number OWNED BY crm.customer.code;
COMMENT ON SEQUENCE crm.ticket_number IS 'tickets';
