-- Rooms that are booked: ranges, exclusion constraints, partitions in two layers, row-level security.
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE SCHEMA "Front Desk";
CREATE TYPE "Front Desk"."State" AS ENUM ('asked', 'it''s booked', 'gone');
CREATE TYPE "Front Desk".place AS (street text, "Post Code" varchar(10), storey smallint);
CREATE TYPE minutes AS RANGE (subtype = time);
CREATE DOMAIN mail AS citext CHECK (value ~ '^[^@]+@[^@]+$');
CREATE DOMAIN price AS numeric(12, 2) DEFAULT 0 CONSTRAINT not_below_zero CHECK (value >= 0);

CREATE TABLE guest (
    id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY,
    email mail UNIQUE NOT NULL,
    given text NOT NULL,
    family text NOT NULL,
    shown text GENERATED ALWAYS AS (family || ', ' || given) STORED,
    home "Front Desk".place,
    tags text[] DEFAULT '{}',
    invited_by bigint REFERENCES guest DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT "not by oneself" CHECK (invited_by <> id)
);
CREATE INDEX guest_tags ON guest USING gin (tags);
CREATE INDEX "guest by Name" ON guest (lower(family) DESC NULLS LAST, given) WHERE family <> '';

CREATE TABLE "Front Desk"."Room No." (
    "Key" integer PRIMARY KEY,
    "select" text NOT NULL DEFAULT 'a "quoted" room',
    night price NOT NULL,
    open minutes NOT NULL DEFAULT '[07:00,22:00)'
);
CREATE TABLE booking (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    room integer NOT NULL REFERENCES "Front Desk"."Room No.",
    guest bigint NOT NULL REFERENCES guest ON UPDATE CASCADE ON DELETE CASCADE,
    during tstzrange NOT NULL,
    state "Front Desk"."State" NOT NULL DEFAULT 'asked',
    nights integer GENERATED ALWAYS AS (extract(day FROM upper(during) - lower(during))::integer) STORED,
    note text,
    EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (state <> 'gone')
);
ALTER TABLE booking ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking FORCE ROW LEVEL SECURITY;
CREATE POLICY own_bookings ON booking USING (guest::text = current_setting('app.guest', true));
CREATE POLICY nobody_deletes ON booking AS RESTRICTIVE FOR DELETE USING (false);

CREATE TABLE entry (at date NOT NULL, guest bigint NOT NULL, number integer NOT NULL, said citext,
    PRIMARY KEY (at, guest, number), FOREIGN KEY (guest) REFERENCES guest) PARTITION BY RANGE (at);
CREATE TABLE entry_2025 PARTITION OF entry FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY HASH (guest);
CREATE TABLE entry_2025_even PARTITION OF entry_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE entry_2025_odd (said citext, number integer NOT NULL, guest bigint NOT NULL, at date NOT NULL);
ALTER TABLE entry_2025 ATTACH PARTITION entry_2025_odd FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE "entry of other Years" PARTITION OF entry DEFAULT;
CREATE INDEX entry_said ON entry (said);
CREATE INDEX entry_only_odd ON entry_2025_odd (number) INCLUDE (said);

CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.said := coalesce(NEW.said, 'nothing'); RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION noted();
CREATE FUNCTION nights_of(bigint) RETURNS bigint LANGUAGE sql STABLE SET search_path = public
    AS $$ SELECT coalesce(sum(nights), 0) FROM booking WHERE guest = $1 $$;

CREATE VIEW open_booking WITH (security_barrier) AS SELECT * FROM booking WHERE state <> 'gone'
    WITH CASCADED CHECK OPTION;
CREATE RULE no_change AS ON DELETE TO open_booking DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW by_room AS SELECT room, count(*) AS n, sum(nights) AS nights FROM booking GROUP BY room;
CREATE UNIQUE INDEX by_room_room ON by_room (room);
CREATE MATERIALIZED VIEW by_price AS SELECT r.night, sum(b.n) AS n FROM by_room AS b
    JOIN "Front Desk"."Room No." AS r ON r."Key" = b.room GROUP BY r.night;
CREATE MATERIALIZED VIEW never_filled AS SELECT * FROM by_room WITH NO DATA;
CREATE STATISTICS of_booking (dependencies, ndistinct) ON room, guest FROM booking;
COMMENT ON COLUMN guest.shown IS 'as it stands on the door; it''s "made" of two';

INSERT INTO guest (email, given, family, home, tags) SELECT 'Guest' || n || '@real.example', 'Given' || n, 'Family' || n % 40,
    ROW('Street ' || n, 'P' || n, n % 9)::"Front Desk".place, ARRAY['a' || n % 5, 'b'] FROM generate_series(1, 200) n;
UPDATE guest SET invited_by = id - 10 WHERE id % 30 = 0;
INSERT INTO "Front Desk"."Room No." ("Key", night) SELECT n, n * 10 FROM generate_series(1, 20) n;
INSERT INTO booking (room, guest, during, state, note) SELECT 1 + n % 20, 100 + 10 * (n % 200),
    tstzrange(timestamptz '2026-01-01 14:00+01' + n / 20 * interval '3 days',
              timestamptz '2026-01-01 10:00+01' + n / 20 * interval '3 days' + interval '2 days'),
    (ARRAY['asked', 'it''s booked', 'gone'])[1 + n % 3]::"Front Desk"."State", 'by guest' || n || '@real.example'
    FROM generate_series(1, 300) n;
INSERT INTO entry SELECT date '2024-06-01' + n, 100 + 10 * (n % 200), n, 'Said ' || n FROM generate_series(1, 900) n;
REFRESH MATERIALIZED VIEW by_room;
REFRESH MATERIALIZED VIEW by_price;
