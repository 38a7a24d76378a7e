-- One index that finds files by words, by parts of their names and by when they were created, in one pass: what is asked
-- for together is intersected in the index, and no more rows are read than match all of it.

-- All runs of three characters of a name, the last ones made up with a sign that no name holds: every part of the name
-- is the beginning of one of them, or made of several. Looked for with `@@`, a short part as a beginning (`'ab':*`).
CREATE FUNCTION name_parts(name TEXT) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_to_tsvector(array_agg(DISTINCT substr(name || '//', place, 3)))
    FROM generate_series(1, char_length(name)) AS place
$$;

-- Spans of time that a moment (in microseconds) lies in, from one second up to nine years, each sixteen times the one
-- before. A number of them tells length and place. Any stretch of time is a few spans of one length.
CREATE FUNCTION time_spans(at BIGINT) RETURNS BIGINT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY[
        ((at >> 20) << 3), ((at >> 24) << 3) + 1, ((at >> 28) << 3) + 2, ((at >> 32) << 3) + 3,
        ((at >> 36) << 3) + 4, ((at >> 40) << 3) + 5, ((at >> 44) << 3) + 6, ((at >> 48) << 3) + 7
    ]
$$;

CREATE INDEX files_found ON files USING gin (words, name_parts(name_lower), time_spans(created_at))
    WITH (gin_pending_list_limit = 512);
-- What it was for the new one does too, also for a node of the version before.
DROP INDEX files_by_words;

-- The plans need to know how often values of these expressions come.
ANALYZE files;
