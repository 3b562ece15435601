-- A place where people write: inheritance, trees, a circle of keys, checks that call functions, odd sequences.
CREATE EXTENSION ltree;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE SCHEMA internal;
CREATE COLLATION internal.german (provider = icu, locale = 'de-DE');
CREATE TYPE standing AS ENUM ('new', 'known', 'shut out');
CREATE SEQUENCE internal.ticket AS integer INCREMENT BY -3 MINVALUE -5000 MAXVALUE 7 START 4 CYCLE;

CREATE FUNCTION internal.plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(regexp_replace($1, '[^[:alnum:]]', '', 'g')) $$;
CREATE FUNCTION internal.is_path(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN internal.plain($1) <> ''; END $$;

CREATE TABLE account (
    id serial PRIMARY KEY,
    name varchar(60) COLLATE internal.german NOT NULL CHECK (internal.is_path(name)),
    email text NOT NULL,
    standing standing[] NOT NULL DEFAULT '{new}',
    settings hstore NOT NULL DEFAULT '',
    first_post integer,
    joined timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX account_email ON account (lower(email));
CREATE INDEX account_settings ON account USING gin (settings);

CREATE TABLE written (id bigserial PRIMARY KEY, author integer NOT NULL REFERENCES account, body text NOT NULL,
    at timestamp NOT NULL DEFAULT '2026-01-01 00:00');
CREATE TABLE post (path ltree NOT NULL, title text, PRIMARY KEY (id)) INHERITS (written);
CREATE TABLE message ("to" integer NOT NULL REFERENCES account, PRIMARY KEY (id)) INHERITS (written);
CREATE INDEX post_path ON post USING gist (path);
CREATE INDEX post_title ON post USING gin (title gin_trgm_ops);
ALTER TABLE account ADD CONSTRAINT account_first FOREIGN KEY (first_post) REFERENCES post (id)
    DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE vote (account integer NOT NULL, post bigint NOT NULL, up boolean NOT NULL, ticket integer
    DEFAULT nextval('internal.ticket'), PRIMARY KEY (account, post), FOREIGN KEY (account) REFERENCES account)
    WITH (fillfactor = 70, autovacuum_enabled = off);
ALTER TABLE vote ADD FOREIGN KEY (post) REFERENCES post (id) ON DELETE CASCADE NOT VALID;
CREATE VIEW score AS SELECT post, sum(CASE WHEN up THEN 1 ELSE -1 END) AS score FROM vote GROUP BY post;
CREATE VIEW best AS SELECT p.id, p.path, s.score FROM post AS p JOIN score AS s ON s.post = p.id WHERE s.score > 0;
CREATE MATERIALIZED VIEW tree AS SELECT subpath(path, 0, 1) AS root, count(*) AS n FROM post GROUP BY 1;
CREATE FUNCTION internal.second(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $2';
CREATE AGGREGATE internal.last_of(anyelement) (SFUNC = internal.second, STYPE = anyelement);
CREATE OPERATOR internal.=~ (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION internal.counted() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE public.account SET joined = joined WHERE id = NEW.account; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER counted AFTER INSERT ON vote DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION internal.counted();
ALTER TABLE vote DISABLE TRIGGER counted;
CREATE TRIGGER as_changed AFTER UPDATE ON post REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION internal.counted();

INSERT INTO account (name, email, standing, settings) SELECT 'Änne ' || n, 'anne' || n || '@real.example',
    ARRAY['new', 'known']::standing[], hstore('theme', 'dark' || n % 3) FROM generate_series(1, 150) n;
INSERT INTO written (author, body) SELECT 1 + n % 150, 'only written ' || n FROM generate_series(1, 20) n;
INSERT INTO post (author, body, path, title) SELECT 1 + n % 150, 'write to anne' || n || '@real.example',
    ('top.n' || n % 7 || '.p' || n)::ltree, 'Title ' || n FROM generate_series(1, 400) n;
INSERT INTO message (author, body, "to") SELECT 1 + n % 150, 'dear anne' || n || '@real.example', 1 + n % 149
    FROM generate_series(1, 250) n;
UPDATE account SET first_post = (SELECT min(id) FROM post WHERE author = account.id);
INSERT INTO vote (account, post, up) SELECT 1 + n % 150, (SELECT min(id) FROM post) + n % 400, n % 4 > 0
    FROM generate_series(1, 600) n;
REFRESH MATERIALIZED VIEW tree;
