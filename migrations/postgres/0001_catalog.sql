-- The catalog on PostgreSQL: a cache of attr files, the write-ahead log, and what is true of the element as a whole, in
-- a schema of its own for each element. Times are microseconds since 1970-01-01 UTC, as in every make of the catalog.

CREATE TABLE config (
    id                 SMALLINT PRIMARY KEY CHECK (id = 1),
    element_id         UUID     NOT NULL,
    catalog_id         UUID     NOT NULL,
    mode               TEXT     NOT NULL CHECK (mode IN ('edit', 'rw', 'ro', 'ar')),
    mode_changed_at    BIGINT   NOT NULL,
    mode_changed_by    TEXT,
    transition         JSONB,
    prepared_until     BIGINT,
    epoch              BIGINT   NOT NULL DEFAULT 0,
    nonce              TEXT,
    row_version        BIGINT   NOT NULL DEFAULT 1,
    master             TEXT,
    master_address     TEXT,
    master_elected_at  BIGINT,
    last_cache_rebuild BIGINT,
    needs_rebuild      BOOLEAN  NOT NULL DEFAULT false,
    created_at         BIGINT   NOT NULL,
    updated_at         BIGINT   NOT NULL
);

-- One row a file. `attr` is the attr file as it was last seen, word for word; the other columns repeat what is searched
-- and sorted by. Names sort by code points in every locale.
--
-- `words` is written by the program, not by `to_tsvector`, so that every make of the catalog finds the same files:
-- Cyrillic words as their Russian stems, Latin ones as their English stems, all others as they are, with weight A in the
-- name, B in tags, C in the description. Without a place, behind a sign that no word has: behind `~` words that differ
-- from their stem, for beginnings of words, and behind `=` one lexeme for each value that a filter asks for.
CREATE TABLE files (
    file_id             UUID     PRIMARY KEY,
    status              TEXT     NOT NULL CHECK (status IN ('active', 'deleted')),
    revision            BIGINT   NOT NULL CHECK (revision > 0),
    file_size           BIGINT   NOT NULL CHECK (file_size >= 0),
    created_at          BIGINT   NOT NULL,
    updated_at          BIGINT   NOT NULL,
    cached_at           BIGINT   NOT NULL,
    damaged             BOOLEAN  NOT NULL DEFAULT false,
    blocked_by          UUID,
    created_by_id       TEXT     NOT NULL,
    created_by_username TEXT     NOT NULL,
    original_filename   TEXT     COLLATE "C" NOT NULL,
    name_lower          TEXT     NOT NULL,
    content_type        TEXT     NOT NULL,
    idempotency_key     TEXT,
    retention_until     BIGINT,
    legal_hold          BOOLEAN  NOT NULL DEFAULT false,
    metadata            JSONB    NOT NULL,
    words               TSVECTOR NOT NULL,
    attr                TEXT     NOT NULL
);

CREATE INDEX files_by_creation ON files (status, created_at, file_id);
CREATE INDEX files_by_update ON files (status, updated_at, file_id);
CREATE INDEX files_by_name ON files (status, original_filename, file_id);
CREATE INDEX files_by_size ON files (status, file_size, file_id);
CREATE INDEX files_by_sender ON files (created_by_id, created_at);
-- A short list of what is not in the index yet: a search reads it whole.
CREATE INDEX files_by_words ON files USING gin (words) WITH (gin_pending_list_limit = 512);
CREATE INDEX files_by_metadata ON files USING gin (metadata jsonb_path_ops) WITH (gin_pending_list_limit = 512);
CREATE INDEX files_deleted_by_id ON files (file_id) WHERE status = 'deleted';
CREATE INDEX files_retained ON files (retention_until) WHERE status = 'active' AND retention_until IS NOT NULL;
CREATE INDEX files_held ON files (file_id) WHERE status = 'active' AND legal_hold;
CREATE INDEX files_blocked ON files (status) WHERE blocked_by IS NOT NULL;
CREATE UNIQUE INDEX files_by_key ON files (created_by_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- A million rows change by a fifth before the defaults look at them; plans follow what the statistics say.
ALTER TABLE files SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Sums over all files, in a row of their own: whoever reads the element's row or shares it for an intent does not wait
-- for them. Kept by the triggers below, once for each statement, however many files it changes.
CREATE TABLE totals (
    id            SMALLINT PRIMARY KEY CHECK (id = 1),
    active_files  BIGINT NOT NULL DEFAULT 0,
    active_bytes  BIGINT NOT NULL DEFAULT 0,
    deleted_files BIGINT NOT NULL DEFAULT 0,
    deleted_bytes BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

INSERT INTO totals (id) VALUES (1);

CREATE FUNCTION files_counted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    active_files  BIGINT := 0;
    active_bytes  BIGINT := 0;
    deleted_files BIGINT := 0;
    deleted_bytes BIGINT := 0;
    less          RECORD;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        SELECT count(*) FILTER (WHERE status = 'active'),
               coalesce(sum(file_size) FILTER (WHERE status = 'active'), 0),
               count(*) FILTER (WHERE status = 'deleted'),
               coalesce(sum(file_size) FILTER (WHERE status = 'deleted'), 0)
        INTO active_files, active_bytes, deleted_files, deleted_bytes FROM after_it;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT count(*) FILTER (WHERE status = 'active') AS active_files,
               coalesce(sum(file_size) FILTER (WHERE status = 'active'), 0) AS active_bytes,
               count(*) FILTER (WHERE status = 'deleted') AS deleted_files,
               coalesce(sum(file_size) FILTER (WHERE status = 'deleted'), 0) AS deleted_bytes
        INTO less FROM before_it;
        active_files := active_files - less.active_files;
        active_bytes := active_bytes - less.active_bytes;
        deleted_files := deleted_files - less.deleted_files;
        deleted_bytes := deleted_bytes - less.deleted_bytes;
    END IF;
    IF (active_files, active_bytes, deleted_files, deleted_bytes) <> (0::bigint, 0::bigint, 0::bigint, 0::bigint) THEN
        -- The trigger's own search path may be another's: the schema is the one of the table that changed.
        EXECUTE format('UPDATE %I.totals SET active_files = active_files + $1, active_bytes = active_bytes + $2, '
            'deleted_files = deleted_files + $3, deleted_bytes = deleted_bytes + $4 WHERE id = 1', TG_TABLE_SCHEMA)
        USING active_files, active_bytes, deleted_files, deleted_bytes;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER files_counted AFTER INSERT ON files
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION files_counted();
CREATE TRIGGER files_recounted AFTER UPDATE ON files
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION files_counted();
CREATE TRIGGER files_uncounted AFTER DELETE ON files
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION files_counted();

CREATE TABLE wal (
    transaction_id UUID   PRIMARY KEY,
    operation_type TEXT   NOT NULL
        CHECK (operation_type IN ('FILE_CREATE', 'FILE_UPDATE', 'FILE_DELETE', 'CACHE_REBUILD', 'MODE_CHANGE')),
    status         TEXT   NOT NULL CHECK (status IN ('PENDING', 'COMMITTED', 'ROLLED_BACK', 'FAILED')),
    file_id        UUID,
    operation_data JSONB  NOT NULL,
    error_message  TEXT,
    started_at     BIGINT NOT NULL,
    completed_at   BIGINT,
    duration_ms    BIGINT,
    user_id        TEXT,
    epoch          BIGINT NOT NULL
);

CREATE INDEX wal_by_status ON wal (status, started_at, transaction_id);
CREATE INDEX wal_by_start ON wal (started_at, transaction_id);
CREATE INDEX wal_by_file ON wal (file_id, started_at);
CREATE INDEX wal_by_data ON wal USING gin (operation_data jsonb_path_ops) WITH (gin_pending_list_limit = 512);
-- Two uploads with one key of one sender cannot both be open.
CREATE UNIQUE INDEX wal_open_by_key
    ON wal ((operation_data ->> 'created_by_id'), (operation_data ->> 'idempotency_key'))
    WHERE status IN ('PENDING', 'FAILED') AND operation_data ->> 'idempotency_key' IS NOT NULL;

-- Files a running rebuild has seen, apart from `files` so that marking writes a few bytes a file.
CREATE TABLE rebuild_marks (
    file_id UUID PRIMARY KEY,
    mark    UUID NOT NULL
);

CREATE TABLE jobs (
    job_id      UUID   PRIMARY KEY,
    kind        TEXT   NOT NULL CHECK (kind IN ('rebuild', 'verify', 'gc')),
    state       TEXT   NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    progress    TEXT   NOT NULL,
    report      TEXT,
    node        TEXT   NOT NULL
);

CREATE INDEX jobs_by_start ON jobs (started_at, job_id);
CREATE UNIQUE INDEX jobs_running ON jobs (kind) WHERE state = 'running';
