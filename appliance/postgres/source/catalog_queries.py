"""The queries that read a source's catalog: a handful, each over the whole database at once.

Every session has an empty ``search_path``, so ``format_type`` qualifies whatever is not in pg_catalog.
"""

DATABASE = """
SELECT current_database(), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
       current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('block_size')::int,
       to_jsonb(d) ->> 'datlocprovider',
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), to_jsonb(d) ->> 'daticurules'
FROM pg_database AS d WHERE d.datname = current_database()
"""

# Not the system's tables, not temporary ones, and not those an extension brings along.
_OWN_TABLES = """
    n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'f')
    AND c.relpersistence <> 't' AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

TABLES = f"""
WITH RECURSIVE own AS (
    SELECT c.*, n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {_OWN_TABLES}
), up AS (
    SELECT i.inhrelid AS leaf, i.inhparent AS ancestor, 1 AS step
    FROM own JOIN pg_inherits AS i ON i.inhrelid = own.oid WHERE own.relispartition
    UNION ALL
    SELECT up.leaf, i.inhparent, up.step + 1
    FROM up JOIN pg_class AS c ON c.oid = up.ancestor AND c.relispartition
    JOIN pg_inherits AS i ON i.inhrelid = up.ancestor
), root AS (
    SELECT DISTINCT ON (leaf) leaf, ancestor FROM up ORDER BY leaf, step DESC
)
SELECT own.oid, own.nspname, own.relname, own.relkind::text, own.relpersistence::text,
       root_schema.nspname, root_class.relname,
       own.reltuples, CASE WHEN own.relkind = 'r' THEN greatest(own.relpages, 0) ELSE 0 END,
       has_schema_privilege(own.relnamespace, 'USAGE'),
       has_table_privilege(own.oid, 'SELECT'),
       row_security_active(own.oid),
       own.relkind = 'r' AND (SELECT amhandler <> 'heap_tableam_handler'::regproc FROM pg_am
                              WHERE pg_am.oid = own.relam)
FROM own
LEFT JOIN root ON root.leaf = own.oid
LEFT JOIN pg_class AS root_class ON root_class.oid = root.ancestor
LEFT JOIN pg_namespace AS root_schema ON root_schema.oid = root_class.relnamespace
ORDER BY own.nspname, own.relname
"""  # noqa: S608

# Measuring locks a table for a moment: only what a run reads is measured, and only if it is not locked.
SIZES = """
SELECT s.oid, pg_relation_size(s.oid), pg_table_size(s.oid) FROM unnest(%s::oid[]) AS s (oid)
WHERE NOT EXISTS (
    SELECT FROM pg_locks AS l WHERE l.locktype = 'relation' AND l.relation = s.oid
    AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
"""

COLUMNS = """
SELECT a.attrelid, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated <> '',
       a.attidentity <> '', coalesce(c.collisdeterministic, true),
       (SELECT format('%%I.%%I', n.nspname, c.collname) FROM pg_namespace AS n
        WHERE n.oid = c.collnamespace AND c.collname <> 'default'),
       EXISTS (SELECT FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
               WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))
FROM pg_attribute AS a LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""

# A column that stands in a table above by INHERITS is the same one here: PostgreSQL merges columns
# by name, and none can be renamed or dropped in the child alone.
INHERITED = """
WITH RECURSIVE up AS (
    SELECT i.inhrelid AS child, i.inhparent AS ancestor, 1 AS distance
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhrelid = ANY (%s) AND NOT c.relispartition AND c.relkind IN ('r', 'f')
    UNION
    SELECT up.child, i.inhparent, up.distance + 1 FROM up JOIN pg_inherits AS i ON i.inhrelid = up.ancestor
)
SELECT up.child, own.attnum, n.nspname, c.relname, min(up.distance)
FROM up JOIN pg_class AS c ON c.oid = up.ancestor JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = up.ancestor AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_attribute AS own ON own.attrelid = up.child AND own.attname = a.attname AND NOT own.attisdropped
GROUP BY up.child, own.attnum, n.nspname, c.relname
ORDER BY up.child, own.attnum, min(up.distance), n.nspname, c.relname
"""

# Only asked for tables that may not be read as a whole.
UNREADABLE_COLUMNS = """
SELECT DISTINCT attrelid FROM pg_attribute
WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped
AND NOT has_column_privilege(attrelid, attnum, 'SELECT')
"""

TYPE_NAMES = """
SELECT typid, typmod, format_type(typid, typmod)
FROM unnest(%s::oid[], %s::int[]) AS pair (typid, typmod)
"""

# Every type that a column has, and what those are made of.
TYPES = """
WITH RECURSIVE used AS (
    SELECT unnest(%s::oid[]) AS oid
    UNION
    SELECT made.oid FROM used JOIN pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0
        UNION ALL SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL SELECT r.rngtypid FROM pg_range AS r
                  WHERE t.typtype = 'm' AND (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS made
)
SELECT t.oid, t.typtype::text, t.typname, t.typbasetype, t.typtypmod, t.typnotnull,
       CASE WHEN e.typarray = t.oid THEN t.typelem ELSE 0 END,
       t.typsend <> 0 AND t.typreceive <> 0,
       t.typnamespace = 'pg_catalog'::regnamespace,
       coalesce(r.rngsubtype, (SELECT m.rngsubtype FROM pg_range AS m WHERE t.typtype = 'm'
                               AND (to_jsonb(m) ->> 'rngmultitypid')::oid = t.oid), 0),
       EXISTS (SELECT FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c'),
       ARRAY(SELECT l.enumlabel::text FROM pg_enum AS l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
FROM used JOIN pg_type AS t ON t.oid = used.oid
LEFT JOIN pg_type AS e ON e.oid = t.typelem
LEFT JOIN pg_range AS r ON r.rngtypid = t.oid
"""

# A NULL may be equal to another one where the condition or an expression of an index reads it. That is looked
# for in the stored tree: to ask for it in SQL would lock each table until the end of the transaction.
UNIQUE_INDEXES = r"""
SELECT i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1], i.indisprimary,
       i.indpred IS NULL AND i.indexprs IS NULL AND i.indisunique AND i.indisvalid,
       ARRAY(SELECT d.refobjsubid FROM pg_depend AS d
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
       CASE WHEN i.indisexclusion
            OR i.indpred::text ~ '^\(?\{NULLTEST :arg \{VAR [^{}]*\} :nulltesttype 1 [^{}]*\}\)?$'
            THEN '{}'::int[]
            ELSE ARRAY(SELECT (found.match)[1]::int FROM regexp_matches(
                concat(i.indpred, i.indexprs), ':varattno (\d+)', 'g') AS found(match)) END
FROM pg_index AS i
WHERE i.indrelid = ANY (%s) AND (i.indisunique OR i.indisexclusion) AND i.indislive
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""

# Of those that are more than some columns together: what they compare, and of which rows.
# A key WITHOUT OVERLAPS (since PostgreSQL 18) is an exclusion constraint too.
SPECIAL_KEYS = """
SELECT i.indrelid, c.relname, (i.indkey::int2[])[0:i.indnkeyatts - 1],
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, place, false)
             FROM generate_series(1, i.indnkeyatts) AS place
             WHERE (i.indkey::int2[])[place - 1] = 0),
       pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT d.refobjsubid FROM pg_depend AS d
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), i.indisexclusion,
       ARRAY(SELECT o.oprname::text FROM pg_constraint AS k
             CROSS JOIN LATERAL unnest(k.conexclop) WITH ORDINALITY AS op (oid, place)
             JOIN pg_operator AS o ON o.oid = op.oid
             WHERE k.conindid = i.indexrelid AND k.contype IN ('x', 'p', 'u') ORDER BY op.place)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (%s) AND (i.indisunique OR i.indisexclusion) AND i.indislive AND i.indisvalid
    AND (i.indisexclusion OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL
         OR (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean)
ORDER BY i.indrelid, c.relname
"""

# A constraint that references a partitioned table has copies for each of its partitions: those are left out.
# What is referred to may be a table of an extension, which TABLES does not have.
FOREIGN_KEYS = """
SELECT k.conrelid, k.conname, k.conkey, n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
             JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place),
       k.condeferrable, k.convalidated, coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false)
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.confrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint AS parent ON parent.oid = k.conparentid
WHERE k.contype = 'f' AND k.conrelid = ANY (%s) AND parent.conrelid IS DISTINCT FROM k.conrelid
ORDER BY k.conrelid, k.conname
"""

# What each pair of columns of a foreign key is compared with. The operator is the constraint's own, never one
# that is found by its name. A NOT NULL that was never validated (since PostgreSQL 18) promises nothing.
KEY_COMPARISONS = """
SELECT k.conrelid, k.conname, pair.here,
       format('OPERATOR(%%I.%%s)', s.nspname, o.oprname),
       CASE WHEN l.typtype <> 'p' THEN format_type(l.oid, -1) END,
       CASE WHEN r.typtype <> 'p' THEN format_type(r.oid, -1) END,
       CASE WHEN b.attcollation <> a.attcollation AND b.attcollation <> 0
            THEN format('%%I.%%I', cs.nspname, c.collname) END,
       p.proowner IN (SELECT oid FROM pg_roles WHERE rolsuper)
       AND NOT EXISTS (
           WITH RECURSIVE used AS (
               SELECT t.oid, t.typtype, t.typbasetype FROM pg_type AS t
               WHERE t.oid IN (a.atttypid, b.atttypid)
               UNION
               SELECT t.oid, t.typtype, t.typbasetype FROM used JOIN pg_type AS t ON t.oid = used.typbasetype
               WHERE used.typtype = 'd'
           )
           SELECT FROM pg_cast AS x JOIN pg_proc AS f ON f.oid = x.castfunc
           WHERE x.castsource IN (SELECT oid FROM used) AND x.casttarget IN (o.oprleft, o.oprright)
           AND f.proowner NOT IN (SELECT oid FROM pg_roles WHERE rolsuper)
       ),
       NOT a.attnotnull OR EXISTS (
           SELECT FROM pg_constraint AS nn
           WHERE nn.conrelid = a.attrelid AND nn.contype = 'n' AND a.attnum = ANY (nn.conkey)
           AND NOT nn.convalidated
       )
FROM pg_constraint AS k
CROSS JOIN LATERAL unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS pair (here, there, op, place)
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = pair.here
JOIN pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = pair.there
JOIN pg_operator AS o ON o.oid = pair.op JOIN pg_namespace AS s ON s.oid = o.oprnamespace
JOIN pg_proc AS p ON p.oid = o.oprcode
JOIN pg_type AS l ON l.oid = o.oprleft JOIN pg_type AS r ON r.oid = o.oprright
LEFT JOIN pg_collation AS c ON c.oid = b.attcollation
LEFT JOIN pg_namespace AS cs ON cs.oid = c.collnamespace
WHERE k.contype = 'f' AND k.conrelid = ANY (%s)
ORDER BY k.conrelid, k.conname, pair.place
"""

# A condition that asks for NULL, or calls what is called with NULL too, may be false for one. What holds for
# new rows only (NOT VALID), or (since PostgreSQL 18) for none, is made after the rows, or holds for none.
CHECKS = r"""
SELECT conrelid, conname, conkey,
       conbin::text ~ '\{(NULLTEST|BOOLEANTEST|COALESCE|DISTINCTEXPR|CASE|ROW|MINMAX|XMLEXPR)' OR EXISTS (
           SELECT FROM regexp_matches(conbin::text, ':(?:op)?funcid (\d+)', 'g') AS found(match)
           JOIN pg_proc AS p ON p.oid = (found.match)[1]::oid WHERE NOT p.proisstrict)
FROM pg_constraint
WHERE contype = 'c' AND conrelid = ANY (%s) AND conkey IS NOT NULL AND convalidated
    AND to_jsonb(pg_constraint) ->> 'conenforced' IS DISTINCT FROM 'false'
ORDER BY conrelid, conname
"""

# The columns that decide a row's partition, also those inside an expression: each depends on its own table.
PARTITION_KEYS = """
SELECT p.partrelid, a.attname
FROM pg_partitioned_table AS p
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = p.partrelid AND d.objsubid > 0
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.partrelid AND d.refobjsubid = 0
    AND d.deptype = 'i'
JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = d.objsubid
UNION
SELECT p.partrelid, a.attname
FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid
WHERE a.attnum = ANY (p.partattrs)
"""

# Hashes of an enum or of a reg… type are those of numbers that every database gives anew; a collation that is
# not deterministic hashes what its library's version makes of the text; expressions and other operator
# classes may do either. PostgreSQL's own types, by their own hashes, stay where they are. The order of texts,
# by which ranges are cut, is that of a library too, except where it is that of their code points.
UNSETTLED_PARTITIONS = r"""
SELECT p.partrelid
FROM pg_partitioned_table AS p
WHERE p.partstrat = 'r' AND EXISTS (
    SELECT FROM pg_collation AS c JOIN pg_database AS d ON d.datname = current_database()
    CROSS JOIN LATERAL (SELECT CASE c.collprovider WHEN 'd'
        THEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') ELSE c.collprovider::text END AS provider) AS l
    WHERE c.oid = ANY (p.partcollation::oid[]) AND (l.provider = 'i' OR l.provider = 'c' AND
        CASE c.collprovider WHEN 'd' THEN d.datcollate ELSE c.collcollate END
            !~ '^(C|POSIX)(\.(UTF-?8|utf-?8))?$')
) OR p.partstrat = 'h' AND (p.partexprs IS NOT NULL OR EXISTS (
    SELECT FROM pg_opclass AS o WHERE o.oid = ANY (p.partclass::oid[])
    AND (o.oid >= 16384 OR o.opcintype IN ('anyenum'::regtype, 'anyarray'::regtype, 'anyrange'::regtype,
                                           'record'::regtype, 'oid'::regtype))
) OR EXISTS (
    SELECT FROM pg_collation AS c WHERE c.oid = ANY (p.partcollation::oid[]) AND NOT c.collisdeterministic))
"""

# Which columns the expression of a generated column reads. Up to PostgreSQL 14 the column itself depends on
# them, then its expression does.
GENERATED_FROM = """
SELECT g.adrelid, g.adnum, a.attname
FROM pg_attrdef AS g
JOIN pg_attribute AS own ON own.attrelid = g.adrelid AND own.attnum = g.adnum AND own.attgenerated <> ''
CROSS JOIN LATERAL (
    SELECT d.refobjsubid AS number FROM pg_depend AS d
    WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = g.adrelid AND d.refobjsubid > 0
    UNION
    SELECT d.refobjsubid FROM pg_depend AS d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = g.adrelid AND d.objsubid = g.adnum
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = g.adrelid AND d.refobjsubid > 0
) AS needed
JOIN pg_attribute AS a ON a.attrelid = g.adrelid AND a.attnum = needed.number AND a.attnum <> g.adnum
WHERE g.adrelid = ANY (%s)
ORDER BY g.adrelid, g.adnum, a.attnum
"""

PARTITIONED_BY = """
SELECT i.inhrelid, i.inhparent FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
"""

EXTENSIONS = "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname"
