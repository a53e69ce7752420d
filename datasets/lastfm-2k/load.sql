-- The official files: tab-separated with a header row, no quoting (names hold quotation marks); tags.dat is Latin-1
-- with CRLF, artists.dat UTF-8, the rest ASCII. A weight is a listening count. There are no times.

CREATE TEMP TABLE listened AS
SELECT userID::VARCHAR AS user_id, artistID::VARCHAR AS item_id, weight::FLOAT AS weight
FROM read_csv(
    getvariable('raw') || 'user_artists.dat',
    delim = '\t', header = true, quote = '', escape = '', auto_detect = false,
    force_not_null = ['userID', 'artistID', 'weight'],
    columns = {'userID': 'UINTEGER', 'artistID': 'UINTEGER', 'weight': 'UINTEGER'}
);

-- Artists with few listeners and users with few artists go, round after round, until a round takes nothing away.
CREATE TEMP TABLE pairs AS
WITH RECURSIVE rounds AS (
    SELECT *, 0 AS round FROM listened
    UNION ALL
    SELECT user_id, item_id, weight, round + 1
    FROM (
        SELECT *,
            min(listeners) OVER () < getvariable('min_listeners')
                OR min(artists) OVER () < getvariable('min_artists') AS unstable
        FROM (
            SELECT *,
                count(*) OVER (PARTITION BY item_id) AS listeners, count(*) OVER (PARTITION BY user_id) AS artists
            FROM rounds
        )
    )
    WHERE unstable AND listeners >= getvariable('min_listeners') AND artists >= getvariable('min_artists')
)
SELECT user_id, item_id, weight FROM rounds
WHERE round = (SELECT max(round) FROM rounds)
-- Changes nothing but where the last round took everything away, and so left no row.
QUALIFY count(*) OVER (PARTITION BY item_id) >= getvariable('min_listeners')
    AND count(*) OVER (PARTITION BY user_id) >= getvariable('min_artists');

CREATE TEMP TABLE artists AS
SELECT id::VARCHAR AS item_id, name
FROM read_csv(
    getvariable('raw') || 'artists.dat',
    delim = '\t', header = true, quote = '', escape = '', auto_detect = false, encoding = 'utf-8',
    force_not_null = ['id', 'name'],
    columns = {'id': 'UINTEGER', 'name': 'VARCHAR', 'url': 'VARCHAR', 'pictureURL': 'VARCHAR'}
);

-- How many users gave an artist a tag; spellings that differ in case are one tag.
CREATE TEMP TABLE tagging AS
SELECT artistID::VARCHAR AS item_id, lower(trim(tagValue)) AS tag, count(DISTINCT userID) AS support
FROM read_csv(
    getvariable('raw') || 'user_taggedartists.dat',
    delim = '\t', header = true, quote = '', escape = '', auto_detect = false,
    columns = {
        'userID': 'UINTEGER', 'artistID': 'UINTEGER', 'tagID': 'UINTEGER',
        'day': 'USMALLINT', 'month': 'USMALLINT', 'year': 'USMALLINT'
    }
)
JOIN read_csv(
    getvariable('raw') || 'tags.dat',
    delim = '\t', header = true, quote = '', escape = '', auto_detect = false, encoding = 'latin-1',
    columns = {'tagID': 'UINTEGER', 'tagValue': 'VARCHAR'}
) USING (tagID)
GROUP BY artistID, lower(trim(tagValue))
HAVING count(DISTINCT userID) >= getvariable('min_taggers');

CREATE TEMP TABLE staged_items AS
SELECT item_id, name AS title, NULL::SMALLINT AS year, coalesce(tags, '') AS tags
FROM (SELECT DISTINCT item_id FROM pairs) JOIN artists USING (item_id) LEFT JOIN (
    SELECT item_id, array_to_string(list(tag ORDER BY support DESC, tag)[:5], '|') AS tags FROM tagging GROUP BY item_id
) USING (item_id);

CREATE TEMP TABLE staged_users AS SELECT DISTINCT user_id FROM pairs;

CREATE TEMP TABLE staged_interactions AS
SELECT user_id, item_id, weight, NULL::TIMESTAMP AS time FROM pairs;
