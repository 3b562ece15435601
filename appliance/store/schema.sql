-- The appliance's own state: runs, their steps and progress, and the outbox of events.
-- Numbered blocks are applied once each, in order, by appliance.store.database.migrate.

-- migration 1
CREATE TABLE appliance.run (
    run_id           text PRIMARY KEY,
    workflow         text NOT NULL,
    airflow_run_id   text,
    origin           text NOT NULL DEFAULT 'local',
    trigger          text NOT NULL DEFAULT 'operator',
    state            text NOT NULL
        CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'refused', 'cancelled')),
    command_id       uuid,
    queued_at        timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    ended_at         timestamptz,
    stop_requested   jsonb,
    failure          jsonb,
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX run_by_time ON appliance.run (queued_at DESC);
CREATE INDEX run_by_workflow ON appliance.run (workflow, queued_at DESC);
CREATE INDEX run_open ON appliance.run (run_id) WHERE state IN ('queued', 'running');

CREATE TABLE appliance.step (
    run_id      text NOT NULL REFERENCES appliance.run ON DELETE CASCADE,
    step        text NOT NULL,
    shard       integer NOT NULL DEFAULT -1,
    attempt     integer NOT NULL DEFAULT 1,
    state       text NOT NULL CHECK (state IN ('running', 'retrying', 'succeeded', 'failed', 'cancelled', 'skipped')),
    started_at  timestamptz,
    ended_at    timestamptz,
    result      jsonb,
    failure     jsonb,
    PRIMARY KEY (run_id, step, shard)
);

CREATE TABLE appliance.progress (
    run_id         text NOT NULL REFERENCES appliance.run ON DELETE CASCADE,
    step           text NOT NULL,
    shard          integer NOT NULL DEFAULT -1,
    table_name     text NOT NULL DEFAULT '',
    part           text NOT NULL DEFAULT '',
    rows           bigint NOT NULL DEFAULT 0,
    rows_expected  bigint,
    bytes          bigint NOT NULL DEFAULT 0,
    done           boolean NOT NULL DEFAULT false,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step, shard, table_name, part)
);

CREATE TABLE appliance.notice (
    run_id  text NOT NULL REFERENCES appliance.run ON DELETE CASCADE,
    step    text NOT NULL,
    text    text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step, text)
);

-- A counter in a row, not a sequence: a rolled-back transaction must leave no hole in the numbers,
-- because a hole is how the other side sees that an event was lost.
CREATE TABLE appliance.event_counter (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    stream  uuid NOT NULL DEFAULT gen_random_uuid(),
    last    bigint NOT NULL
);
INSERT INTO appliance.event_counter (last) VALUES (0);

CREATE TABLE appliance.event (
    seq       bigint PRIMARY KEY,
    event_id  uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text NOT NULL,
    run_id    text,
    payload   jsonb NOT NULL
);

CREATE TABLE appliance.command (
    command_id   text PRIMARY KEY,
    kind         text NOT NULL,
    payload      jsonb NOT NULL,
    state        text NOT NULL CHECK (state IN ('received', 'done', 'refused', 'failed')),
    received_at  timestamptz NOT NULL DEFAULT now(),
    settled_at   timestamptz,
    outcome      jsonb
);

-- migration 2
ALTER TABLE appliance.run ADD COLUMN plan jsonb;

-- migration 3
-- What is known of the way to the dashboard. One row, beside the counter of events.
CREATE TABLE appliance.reporting (
    one                   boolean PRIMARY KEY DEFAULT true CHECK (one),
    appliance_id          text,
    last_contact_at       timestamptz,
    clock_offset_seconds  float8,
    problem               text,
    dropped               bigint NOT NULL DEFAULT 0,
    rejected              bigint NOT NULL DEFAULT 0
);
INSERT INTO appliance.reporting DEFAULT VALUES;
ALTER TABLE appliance.command ADD COLUMN expires_at timestamptz;
CREATE INDEX command_open ON appliance.command (received_at) WHERE state = 'received';

-- migration 4
-- The releases that the dashboard asked for, by a command or by its standing wish, and what became of each.
CREATE TABLE appliance.wanted_release (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version       text NOT NULL,
    command_id    text,
    state         text NOT NULL CHECK (state IN ('waiting', 'done', 'refused', 'failed')),
    rule          text,
    problem       text,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    settled_at    timestamptz
);
ALTER TABLE appliance.command DROP CONSTRAINT command_state_check;
ALTER TABLE appliance.command
    ADD CONSTRAINT command_state_check CHECK (state IN ('received', 'accepted', 'done', 'refused', 'failed'));

-- migration 5
-- Whether the next run of each workflow would go, by its last check for drift.
CREATE TABLE appliance.drift_check (
    workflow    text PRIMARY KEY,
    checked_at  timestamptz NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('goes', 'halts', 'unknown')),
    uncovered   bigint NOT NULL DEFAULT 0,
    columns     jsonb NOT NULL DEFAULT '[]',
    changes     jsonb NOT NULL DEFAULT '[]',
    failure     jsonb
);

-- migration 6
-- Work at branches that was asked for over the API or by the dashboard: how far it is, and what came of it.
CREATE TABLE appliance.asked_work (
    command_id  text PRIMARY KEY REFERENCES appliance.command ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('branch', 'rehearse')),
    workflow    text NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('local', 'cloud')),
    said        jsonb NOT NULL DEFAULT '[]',
    started_at  timestamptz,
    lost_after  timestamptz,
    exit_code   integer,
    answer      jsonb
);

-- migration 8
-- A rehearsal may be cancelled.
ALTER TABLE appliance.command DROP CONSTRAINT command_state_check;
ALTER TABLE appliance.command
    ADD CONSTRAINT command_state_check
    CHECK (state IN ('received', 'accepted', 'done', 'refused', 'failed', 'cancelled'));
