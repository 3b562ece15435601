-- After the rows: what would only slow their loading down.

SELECT setval('customer_id_seq', (SELECT max(id) FROM customer));
SELECT setval('invoice_number', 20267421);

CREATE INDEX customer_by_name ON customer (lower(last_name), lower(first_name));
CREATE INDEX address_customer ON address (customer_id);
CREATE INDEX orders_customer ON orders (customer_id, ordered_at DESC);
CREATE INDEX order_item_product ON order_item (product_id);
CREATE INDEX payment_order ON payment (order_id, ordered_at);
CREATE INDEX shipment_order ON shipment (order_id, ordered_at);
CREATE INDEX product_search ON product USING gin (search);
CREATE INDEX product_attributes ON product USING gin (attributes jsonb_path_ops);
CREATE INDEX ticket_open ON crm.ticket (assigned_to) WHERE state = 'open';
CREATE INDEX message_ticket ON crm.message (ticket_id);

CREATE TRIGGER customer_touch BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touch();

CREATE VIEW customer_overview AS
SELECT c.id, c.display_name, c.tier, count(o.id) AS orders, coalesce(sum(o.total), 0) AS spent
FROM customer c
LEFT JOIN orders o ON o.customer_id = c.id
GROUP BY c.id;

CREATE MATERIALIZED VIEW sales_by_month AS
SELECT date_trunc('month', ordered_at AT TIME ZONE 'UTC')::date AS month, count(*) AS orders, sum(total) AS total
FROM orders
WHERE status <> 'cancelled'
GROUP BY 1;
CREATE UNIQUE INDEX sales_by_month_month ON sales_by_month (month);

-- What the appliance is given on this server: it may read, and nothing else.
GRANT USAGE ON SCHEMA public, crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, crm TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public, crm GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public, crm GRANT SELECT ON SEQUENCES TO reader;

ANALYZE;
