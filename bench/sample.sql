-- Six tables, two of them large, made by the server itself. :scale 1 gives 5.6 million rows, about 1 GB.

CREATE TABLE product (
    id     integer PRIMARY KEY,
    name   text NOT NULL,
    price  numeric(10, 2) NOT NULL
);
INSERT INTO product
SELECT i, 'Product ' || i, (i % 9973) / 100.0 + 1
FROM generate_series(1, 20000) AS i;

CREATE TABLE customer (
    id          bigint PRIMARY KEY,
    email       text NOT NULL,
    first_name  text NOT NULL,
    last_name   text NOT NULL,
    phone       text,
    city        text,
    born        date,
    tier        smallint NOT NULL,
    points      integer NOT NULL,
    created_at  timestamptz NOT NULL
);
INSERT INTO customer
SELECT i,
       -- No address follows from when they signed up: sorting them is work, as it is in real life.
       (ARRAY['anna', 'bjorn', 'chloe', 'lukasz', 'olivia', 'george', 'maria', 'noah'])[1 + (hashint8(i) & 7)] || '.' ||
       substr(md5(i::text), 1, 6) || i % 100 || '@' || (ARRAY['mail', 'post', 'inbox', 'home'])[1 + i % 4] || '.example',
       (ARRAY['Anna', 'Björn', 'Chloé', 'Łukasz', 'Olivia', 'George', 'María', 'Noah'])[1 + i % 8],
       (ARRAY['Müller', 'Smith', 'Kowalska', 'Rossi', 'Dupont', 'Jones', 'Novák'])[1 + i % 7] || i % 1009,
       '+44 7' || lpad((hashint8(i)::bigint & 1073741823)::text, 10, '0'),
       (ARRAY['Leeds', 'Köln', 'Lyon', 'Kraków', 'Athens'])[1 + i % 5],
       date '1950-01-01' + (hashint8(i + 7) & 16383),
       i % 5,
       hashint8(i + 3) & 65535,
       timestamptz '2020-01-01 00:00+00' + i * interval '80 seconds'
FROM generate_series(1, (2400000 * :scale)::bigint) AS i;

CREATE TABLE event (
    id           bigint PRIMARY KEY,
    customer_id  bigint NOT NULL,
    at           timestamptz NOT NULL,
    kind         text NOT NULL,
    ip           text NOT NULL,
    agent        text,
    amount       numeric(10, 2),
    payload      jsonb NOT NULL
);
INSERT INTO event
SELECT i,
       1 + (hashint8(i) & 2147483647) % (2400000 * :scale)::bigint,
       timestamptz '2021-01-01 00:00+00' + i * interval '60 seconds',
       (ARRAY['view', 'view', 'view', 'basket', 'order', 'login'])[1 + i % 6],
       '198.51.' || (hashint8(i + 1) & 255) || '.' || (hashint8(i + 2) & 255),
       'Mozilla/5.0 (X11; Linux x86_64)',
       CASE WHEN i % 6 = 4 THEN (i % 30011) / 100.0 END,
       jsonb_build_object('page', '/product/' || i % 20000, 'ms', i % 997)
FROM generate_series(1, (2400000 * :scale)::bigint) AS i;

CREATE TABLE orders (
    id           bigint PRIMARY KEY,
    customer_id  bigint NOT NULL,
    recipient    text NOT NULL,
    street       text NOT NULL,
    total        numeric(12, 2) NOT NULL,
    ordered_at   timestamptz NOT NULL
);
INSERT INTO orders
SELECT i, 1 + (hashint8(i) & 2147483647) % (2400000 * :scale)::bigint, 'Person ' || i, i % 200 || ' Mill Lane',
       (i % 90001) / 100.0, timestamptz '2022-01-01 00:00+00' + i * interval '5 minutes'
FROM generate_series(1, (300000 * :scale)::bigint) AS i;

CREATE TABLE order_item (
    order_id    bigint NOT NULL,
    line        smallint NOT NULL,
    product_id  integer NOT NULL,
    quantity    integer NOT NULL,
    price       numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);
INSERT INTO order_item
SELECT 1 + i / 2, 1 + i % 2, 1 + (hashint8(i) & 2147483647) % 20000, 1 + i % 4, (i % 9973) / 100.0
FROM generate_series(0, (400000 * :scale)::bigint - 1) AS i;

CREATE TABLE ticket (
    id           bigint PRIMARY KEY,
    customer_id  bigint NOT NULL,
    subject      text NOT NULL,
    body         text NOT NULL
);
INSERT INTO ticket
SELECT i, 1 + (hashint8(i) & 2147483647) % (2400000 * :scale)::bigint, 'Question ' || i,
       'My parcel ' || i || ' has not arrived. Write to user' || i || '@mail.example or call +44 7700 900' ||
       lpad((i % 1000)::text, 3, '0') || ', please.'
FROM generate_series(1, (80000 * :scale)::bigint) AS i;

CREATE INDEX customer_email ON customer (email);
CREATE INDEX customer_created ON customer (created_at);
CREATE INDEX event_customer ON event (customer_id, at);
CREATE INDEX orders_customer ON orders (customer_id);
ALTER TABLE order_item ADD FOREIGN KEY (product_id) REFERENCES product;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customer;

GRANT USAGE ON SCHEMA public TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
VACUUM ANALYZE;
