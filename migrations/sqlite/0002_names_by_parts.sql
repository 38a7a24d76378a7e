-- Files by parts of their names. In `parts` stand all runs of three characters of a name, in hexadecimal, the last ones
-- made up with a sign that no name holds: every part of a name is the beginning of one of them, or made of several.

-- Places in a name: 255 characters, each of which is up to three in lower case.
CREATE TABLE name_places (place INTEGER PRIMARY KEY) STRICT;

INSERT INTO name_places (place)
    WITH RECURSIVE places (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM places WHERE place < 768)
    SELECT place FROM places;

CREATE VIRTUAL TABLE files_names USING fts5 (
    parts, content = '', contentless_delete = 1, tokenize = 'ascii', detail = 'none'
);

INSERT INTO files_names (rowid, parts)
    SELECT seq, (SELECT group_concat(hex(substr(name_lower || '//', place, 3)), ' ')
        FROM name_places WHERE place <= length(name_lower))
    FROM files;

-- By triggers, not by the program: a version that does not know of them keeps them right, too.
CREATE TRIGGER files_named AFTER INSERT ON files BEGIN
    INSERT INTO files_names (rowid, parts)
        SELECT new.seq, group_concat(hex(substr(new.name_lower || '//', place, 3)), ' ')
        FROM name_places WHERE place <= length(new.name_lower);
END;

CREATE TRIGGER files_renamed AFTER UPDATE OF seq, name_lower ON files
WHEN old.seq <> new.seq OR old.name_lower <> new.name_lower BEGIN
    DELETE FROM files_names WHERE rowid = old.seq;
    INSERT INTO files_names (rowid, parts)
        SELECT new.seq, group_concat(hex(substr(new.name_lower || '//', place, 3)), ' ')
        FROM name_places WHERE place <= length(new.name_lower);
END;

CREATE TRIGGER files_unnamed AFTER DELETE ON files BEGIN
    DELETE FROM files_names WHERE rowid = old.seq;
END;
