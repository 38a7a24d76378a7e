-- The catalog on SQLite: a cache of attr files, the write-ahead log, and what is true of the element as a whole.
-- Times are microseconds since 1970-01-01 UTC. Ids are 16 bytes.

CREATE TABLE config (
    id                 INTEGER PRIMARY KEY CHECK (id = 1),
    element_id         BLOB    NOT NULL,
    catalog_id         BLOB    NOT NULL,
    mode               TEXT    NOT NULL CHECK (mode IN ('edit', 'rw', 'ro', 'ar')),
    mode_changed_at    INTEGER NOT NULL,
    mode_changed_by    TEXT,
    transition         TEXT,
    prepared_until     INTEGER,
    epoch              INTEGER NOT NULL DEFAULT 0,
    nonce              TEXT,
    row_version        INTEGER NOT NULL DEFAULT 1,
    master             TEXT,
    master_address     TEXT,
    master_elected_at  INTEGER,
    last_cache_rebuild INTEGER,
    needs_rebuild      INTEGER NOT NULL DEFAULT 0,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;

-- One row a file. `seq` rises with creation (milliseconds, then 15 bits of the id), so that the newest files lie
-- together at the end of the table and of the text index. `attr` is the attr file as it was last seen, the other
-- columns repeat what is searched and sorted by.
CREATE TABLE files (
    seq                 INTEGER PRIMARY KEY,
    file_id             BLOB    NOT NULL UNIQUE,
    status              TEXT    NOT NULL CHECK (status IN ('active', 'deleted')),
    revision            INTEGER NOT NULL CHECK (revision > 0),
    file_size           INTEGER NOT NULL CHECK (file_size >= 0),
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    cached_at           INTEGER NOT NULL,
    damaged             INTEGER NOT NULL DEFAULT 0,
    blocked_by          BLOB,
    created_by_id       TEXT    NOT NULL,
    created_by_username TEXT    NOT NULL,
    original_filename   TEXT    NOT NULL,
    name_lower          TEXT    NOT NULL,
    content_type        TEXT    NOT NULL,
    idempotency_key     TEXT,
    retention_until     INTEGER,
    legal_hold          INTEGER NOT NULL DEFAULT 0,
    attr                TEXT    NOT NULL
) STRICT;

-- Sender, tags, extension, media type and metadata are looked up in `files_text.exact`.
CREATE INDEX files_by_update ON files (status, updated_at, file_id);
CREATE INDEX files_by_name ON files (status, original_filename, file_id);
CREATE INDEX files_by_size ON files (status, file_size, file_id);
CREATE INDEX files_deleted ON files (seq) WHERE status = 'deleted';
CREATE INDEX files_deleted_by_id ON files (file_id) WHERE status = 'deleted';
CREATE INDEX files_retained ON files (retention_until) WHERE status = 'active' AND retention_until IS NOT NULL;
CREATE INDEX files_held ON files (file_id) WHERE status = 'active' AND legal_hold = 1;
CREATE INDEX files_hidden ON files (seq) WHERE status = 'deleted' OR blocked_by IS NOT NULL;
CREATE INDEX files_blocked ON files (status) WHERE blocked_by IS NOT NULL;
CREATE UNIQUE INDEX files_by_key ON files (created_by_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Words of name, description and tags as stems; in `words` those that differ from their stem, for beginnings of words;
-- in `exact` one token for each value a filter asks for. All text comes split, so the tokenizer has nothing to decide.
CREATE VIRTUAL TABLE files_text USING fts5 (
    name, description, tags, words, exact,
    content = '', contentless_delete = 1, tokenize = 'ascii', prefix = '2 3 4 5 6'
);

-- Sums over all files, kept by the triggers below in the transaction that changes a file.
CREATE TABLE totals (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    active_files  INTEGER NOT NULL DEFAULT 0,
    active_bytes  INTEGER NOT NULL DEFAULT 0,
    deleted_files INTEGER NOT NULL DEFAULT 0,
    deleted_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO totals (id) VALUES (1);

CREATE TRIGGER files_counted AFTER INSERT ON files BEGIN
    UPDATE totals SET
        active_files = active_files + (new.status = 'active'),
        active_bytes = active_bytes + (new.status = 'active') * new.file_size,
        deleted_files = deleted_files + (new.status = 'deleted'),
        deleted_bytes = deleted_bytes + (new.status = 'deleted') * new.file_size;
END;

CREATE TRIGGER files_recounted AFTER UPDATE OF status, file_size ON files
WHEN old.status <> new.status OR old.file_size <> new.file_size BEGIN
    UPDATE totals SET
        active_files = active_files + (new.status = 'active') - (old.status = 'active'),
        active_bytes = active_bytes + (new.status = 'active') * new.file_size - (old.status = 'active') * old.file_size,
        deleted_files = deleted_files + (new.status = 'deleted') - (old.status = 'deleted'),
        deleted_bytes = deleted_bytes + (new.status = 'deleted') * new.file_size
            - (old.status = 'deleted') * old.file_size;
END;

CREATE TRIGGER files_uncounted AFTER DELETE ON files BEGIN
    UPDATE totals SET
        active_files = active_files - (old.status = 'active'),
        active_bytes = active_bytes - (old.status = 'active') * old.file_size,
        deleted_files = deleted_files - (old.status = 'deleted'),
        deleted_bytes = deleted_bytes - (old.status = 'deleted') * old.file_size;
    DELETE FROM files_text WHERE rowid = old.seq;
END;

CREATE TABLE wal (
    transaction_id BLOB    NOT NULL PRIMARY KEY,
    operation_type TEXT    NOT NULL
        CHECK (operation_type IN ('FILE_CREATE', 'FILE_UPDATE', 'FILE_DELETE', 'CACHE_REBUILD', 'MODE_CHANGE')),
    status         TEXT    NOT NULL CHECK (status IN ('PENDING', 'COMMITTED', 'ROLLED_BACK', 'FAILED')),
    file_id        BLOB,
    operation_data TEXT    NOT NULL,
    error_message  TEXT,
    started_at     INTEGER NOT NULL,
    completed_at   INTEGER,
    duration_ms    INTEGER,
    user_id        TEXT,
    epoch          INTEGER NOT NULL
) STRICT;

CREATE INDEX wal_by_status ON wal (status, started_at, transaction_id);
CREATE INDEX wal_by_start ON wal (started_at, transaction_id);
CREATE INDEX wal_by_file ON wal (file_id, started_at);
-- Two uploads with one key of one sender cannot both be open.
CREATE UNIQUE INDEX wal_open_by_key
    ON wal (json_extract(operation_data, '$.created_by_id'), json_extract(operation_data, '$.idempotency_key'))
    WHERE status IN ('PENDING', 'FAILED') AND json_extract(operation_data, '$.idempotency_key') IS NOT NULL;

-- Files a running rebuild has seen, apart from `files` so that marking writes a few bytes a file.
CREATE TABLE rebuild_marks (
    file_id BLOB NOT NULL PRIMARY KEY,
    mark    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    job_id      BLOB    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('rebuild', 'verify', 'gc')),
    state       TEXT    NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    progress    TEXT    NOT NULL,
    report      TEXT,
    node        TEXT    NOT NULL
) STRICT;

CREATE INDEX jobs_by_start ON jobs (started_at, job_id);
CREATE UNIQUE INDEX jobs_running ON jobs (kind) WHERE state = 'running';
