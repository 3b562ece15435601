-- The dashboard's store. Times are epoch seconds, booleans 0 or 1, documents JSON as text.

-- migration 1
CREATE TABLE person (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    must_change INTEGER NOT NULL DEFAULT 0,
    created_at DOUBLE PRECISION NOT NULL,
    disabled_at DOUBLE PRECISION,
    last_sign_in DOUBLE PRECISION
);
CREATE TABLE session (
    digest TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    csrf TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    last_seen DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX session_person ON session (person_id);
CREATE TABLE api_token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    created_by TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION,
    last_used_at DOUBLE PRECISION,
    revoked_at DOUBLE PRECISION
);
CREATE TABLE audit (
    id SERIAL_KEY,
    at DOUBLE PRECISION NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE TABLE appliance (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,
    token_digest TEXT UNIQUE,
    next_token_digest TEXT UNIQUE,
    retired_token_digest TEXT,
    token_at DOUBLE PRECISION,
    enrolled_at DOUBLE PRECISION,
    revoked_at DOUBLE PRECISION,
    last_seen DOUBLE PRECISION,
    version TEXT,
    wanted_version TEXT,
    healthy INTEGER NOT NULL DEFAULT 0,
    clock_offset DOUBLE PRECISION,
    workflows_etag TEXT,
    state TEXT
);
CREATE INDEX appliance_retired ON appliance (retired_token_digest);
CREATE TABLE enrolment (
    digest TEXT PRIMARY KEY,
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    used_at DOUBLE PRECISION,
    attempt_digest TEXT
);
CREATE TABLE workflow (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    archived_at DOUBLE PRECISION
);
CREATE TABLE revision (
    workflow_id TEXT NOT NULL REFERENCES workflow (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    yaml TEXT NOT NULL,
    document TEXT NOT NULL,
    digest TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (workflow_id, number)
);
CREATE TABLE assignment (
    workflow_id TEXT NOT NULL REFERENCES workflow (id) ON DELETE CASCADE,
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (workflow_id, appliance_id)
);
CREATE INDEX assignment_appliance ON assignment (appliance_id);
CREATE TABLE placement (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    workflow_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT,
    rule TEXT,
    problem TEXT,
    next_run_at DOUBLE PRECISION,
    reported_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (appliance_id, workflow_id)
);
CREATE INDEX placement_workflow ON placement (workflow_id);
CREATE TABLE run (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    run_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    state TEXT NOT NULL,
    started_by TEXT,
    origin TEXT,
    digest TEXT,
    command_id TEXT,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    seconds DOUBLE PRECISION,
    rows BIGINT,
    bytes BIGINT,
    plan TEXT,
    outcome TEXT,
    latest INTEGER NOT NULL DEFAULT 0,
    ordinal BIGINT NOT NULL,
    begun BIGINT NOT NULL DEFAULT 0,
    folded INTEGER NOT NULL DEFAULT 0,
    changed_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (appliance_id, run_id)
);
CREATE INDEX run_started ON run (started_at);
CREATE INDEX run_workflow ON run (workflow_id, started_at);
CREATE INDEX run_state ON run (state, appliance_id);
CREATE TABLE run_step (
    appliance_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    shard INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seconds DOUBLE PRECISION,
    at DOUBLE PRECISION NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (appliance_id, run_id, step, shard),
    FOREIGN KEY (appliance_id, run_id) REFERENCES run (appliance_id, run_id) ON DELETE CASCADE
);
CREATE TABLE run_progress (
    appliance_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    table_name TEXT NOT NULL,
    piece TEXT NOT NULL,
    rows BIGINT NOT NULL,
    rows_expected BIGINT,
    bytes BIGINT NOT NULL,
    done INTEGER NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (appliance_id, run_id, step, table_name, piece),
    FOREIGN KEY (appliance_id, run_id) REFERENCES run (appliance_id, run_id) ON DELETE CASCADE
);
CREATE TABLE event (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    type TEXT NOT NULL,
    run_id TEXT,
    workflow_id TEXT,
    rule TEXT,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, event_id)
);
CREATE INDEX event_order ON event (appliance_id, ordinal);
CREATE INDEX event_received ON event (received_at);
CREATE TABLE stream (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    generation INTEGER NOT NULL,
    highest BIGINT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (appliance_id, stream)
);
CREATE TABLE gap (
    appliance_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    noticed_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (appliance_id, stream, first),
    FOREIGN KEY (appliance_id, stream) REFERENCES stream (appliance_id, stream) ON DELETE CASCADE
);
CREATE TABLE command (
    id TEXT PRIMARY KEY,
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    argument TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    offered_at DOUBLE PRECISION,
    changed_at DOUBLE PRECISION,
    ordinal BIGINT NOT NULL DEFAULT 0,
    run_id TEXT,
    rule TEXT,
    problem TEXT
);
CREATE INDEX command_open ON command (appliance_id, state);

-- migration 2
CREATE INDEX event_update ON event (appliance_id, ordinal) WHERE type = 'update_changed';

-- migration 3
-- Who stands behind it: system, person:ID or token:ID; empty where that is not known, and then it is worth nothing.
ALTER TABLE api_token ADD COLUMN maker TEXT NOT NULL DEFAULT '';
ALTER TABLE enrolment ADD COLUMN maker TEXT NOT NULL DEFAULT '';
ALTER TABLE command ADD COLUMN maker TEXT NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN one_time_by TEXT NOT NULL DEFAULT '';
UPDATE api_token SET maker = 'system' WHERE created_by = 'command line';
UPDATE api_token SET maker = coalesce(
    (SELECT 'person:' || p.id FROM person p WHERE p.name = api_token.created_by), '') WHERE maker = '';
UPDATE api_token SET maker = coalesce(
    (SELECT 'token:' || min(t.id) FROM api_token t WHERE 'token ' || t.name = api_token.created_by AND t.id <> api_token.id
     HAVING count(*) = 1), '') WHERE maker = '';
UPDATE enrolment SET maker = 'system' WHERE created_by = 'command line';
UPDATE enrolment SET maker = coalesce(
    (SELECT 'person:' || p.id FROM person p WHERE p.name = enrolment.created_by), '') WHERE maker = '';
UPDATE enrolment SET maker = coalesce(
    (SELECT 'token:' || min(t.id) FROM api_token t WHERE 'token ' || t.name = enrolment.created_by
     HAVING count(*) = 1), '') WHERE maker = '';
UPDATE command SET maker = 'system' WHERE created_by = 'command line';
UPDATE command SET maker = coalesce(
    (SELECT 'person:' || p.id FROM person p WHERE p.name = command.created_by), '') WHERE maker = '';
UPDATE command SET maker = coalesce(
    (SELECT 'token:' || min(t.id) FROM api_token t WHERE 'token ' || t.name = command.created_by
     HAVING count(*) = 1), '') WHERE maker = '';
UPDATE person SET one_time_by = 'system' WHERE must_change = 1;

-- migration 4
-- The newest whole catalog of each connection; since when each of its columns is as it is.
CREATE TABLE catalog (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    connection TEXT NOT NULL,
    scan_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    scanned_at DOUBLE PRECISION NOT NULL,
    tables INTEGER NOT NULL,
    columns INTEGER NOT NULL,
    tables_total INTEGER NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (appliance_id, connection)
);
CREATE TABLE catalog_part (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    scan_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    connection TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, scan_id, part)
);
CREATE INDEX catalog_part_connection ON catalog_part (appliance_id, connection);
CREATE TABLE planned (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    workflow_id TEXT NOT NULL,
    command_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, workflow_id)
);
CREATE TABLE uncovered (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    run_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, run_id, part)
);

-- migration 5
CREATE TABLE receipt (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    number BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    receipt TEXT,
    PRIMARY KEY (appliance_id, digest)
);
CREATE INDEX receipt_run ON receipt (appliance_id, run_id);

-- migration 6
CREATE TABLE rollout (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    shares TEXT NOT NULL,
    stop_percent INTEGER NOT NULL,
    watch_s DOUBLE PRECISION NOT NULL,
    wave INTEGER NOT NULL,
    state TEXT NOT NULL,
    why TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE rollout_member (
    rollout_id TEXT NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    wave INTEGER NOT NULL,
    asked_at DOUBLE PRECISION,
    outcome TEXT NOT NULL,
    since DOUBLE PRECISION,
    former_wish TEXT,
    PRIMARY KEY (rollout_id, appliance_id)
);

-- migration 7
-- How far an erasure is that was asked for by its reference: counts and the receipt's digest.
ALTER TABLE command ADD COLUMN erasure TEXT;
ALTER TABLE command ADD COLUMN erasure_ordinal BIGINT NOT NULL DEFAULT 0;

-- migration 8
CREATE TABLE drift_check (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    workflow_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, workflow_id)
);

-- migration 9
-- The newest test of each connection that was asked for, and when one last worked.
CREATE TABLE connection_test (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    connection TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    worked_at DOUBLE PRECISION,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, connection)
);

-- migration 10
-- A person's second factor: the secret is sealed with the dashboard's key, a recovery code is a keyed digest.
ALTER TABLE person ADD COLUMN totp_sealed TEXT;
ALTER TABLE person ADD COLUMN totp_since DOUBLE PRECISION;
ALTER TABLE person ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
CREATE TABLE recovery_code (
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (person_id, digest)
);

-- migration 11
-- People who sign in through a provider: issuer and subject say who they are; they have no password here.
ALTER TABLE person ADD COLUMN issuer TEXT;
ALTER TABLE person ADD COLUMN subject TEXT;
ALTER TABLE person ADD COLUMN disabled_by_provider INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX person_subject ON person (issuer, subject);
-- A sign-in that has begun, by digests of its state and of the browser's cookie.
CREATE TABLE openid_sign_in (
    state_digest TEXT PRIMARY KEY,
    browser_digest TEXT NOT NULL,
    target TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);

-- A version that keeps more than the present one, and waits for a second person. base is 0 for a new workflow.
CREATE TABLE proposal (
    id TEXT PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    base INTEGER NOT NULL,
    yaml TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    maker TEXT NOT NULL,
    person_id TEXT,
    at DOUBLE PRECISION NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    decided_at DOUBLE PRECISION,
    remark TEXT NOT NULL DEFAULT '',
    version INTEGER
);
CREATE INDEX proposal_workflow ON proposal (workflow_id, at);
ALTER TABLE revision ADD COLUMN accepted_by TEXT;
-- migration 12
-- Words that people sort appliances and workflows by; and that an appliance is to take a new token.
CREATE TABLE appliance_tag (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (appliance_id, tag)
);
CREATE TABLE workflow_tag (
    workflow_id TEXT NOT NULL REFERENCES workflow (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (workflow_id, tag)
);
ALTER TABLE appliance ADD COLUMN rotate_asked_at DOUBLE PRECISION;
-- migration 13
-- Which branches a twin has, as its appliance last said when it was asked.
CREATE TABLE branches (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    workflow_id TEXT NOT NULL,
    connection TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, workflow_id, connection)
);
-- What each rehearsal found, by the command that asked for it.
CREATE TABLE rehearsal (
    appliance_id TEXT NOT NULL REFERENCES appliance (id) ON DELETE CASCADE,
    command_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (appliance_id, command_id)
);
-- migration 15
-- Named sets of rules, with all of their versions. A workflow's revision holds those that it uses.
CREATE TABLE preset (
    name TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    archived_at DOUBLE PRECISION
);
CREATE TABLE preset_revision (
    name TEXT NOT NULL REFERENCES preset (name) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    yaml TEXT NOT NULL,
    document TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (name, number)
);
-- migration 16
-- Every look at the fleet asks for the newest run of each workflow.
CREATE INDEX run_latest ON run (appliance_id, workflow_id) WHERE latest = 1;
