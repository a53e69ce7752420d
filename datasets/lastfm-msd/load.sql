-- Two CSVs with a header row, UTF-8. Tracks are summed up to artists, as the paper does; an artist is a name.

CREATE TEMP TABLE tracks AS
SELECT DISTINCT ON (track_id) track_id, trim(artist) AS artist, tags
FROM read_csv(
    getvariable('raw') || 'Music Info.csv',
    delim = ',', header = true, quote = '"', escape = '"', all_varchar = true, strict_mode = true
)
WHERE trim(coalesce(artist, '')) <> '';

CREATE TEMP TABLE plays AS
SELECT user_id, artist, tags, playcount
FROM read_csv(
    getvariable('raw') || 'User Listening History.csv',
    delim = ',', header = true, quote = '"', escape = '"', auto_detect = false,
    columns = {'track_id': 'VARCHAR', 'user_id': 'VARCHAR', 'playcount': 'UINTEGER'}
) JOIN tracks USING (track_id);

DELETE FROM plays WHERE artist NOT IN (
    SELECT artist FROM plays GROUP BY artist HAVING count(DISTINCT user_id) > getvariable('first_listeners')
);
DELETE FROM plays WHERE user_id NOT IN (
    SELECT user_id FROM plays GROUP BY user_id HAVING count(*) > getvariable('rows_of_user')
);
DELETE FROM plays WHERE artist NOT IN (
    SELECT artist FROM plays GROUP BY artist HAVING count(DISTINCT user_id) > getvariable('last_listeners')
);

-- A tag's support is the number of listening rows of the artist's tracks that carry it. The tags that the paper's
-- notebooks leave out, as saying too little, are left out here.
CREATE TEMP TABLE tagging AS
SELECT artist AS item_id, tag, count(*)::UINTEGER AS support
FROM (SELECT artist, trim(lower(unnest(string_split(tags, ',')))) AS tag FROM plays WHERE tags IS NOT NULL)
WHERE tag <> '' AND replace(tag, '_', ' ') NOT IN (
    'beautiful', 'indie', 'alternative', 'singer songwriter', 'oldies', 'alternative rock', 'indie pop', 'pop rock',
    'ambient', 'experimental', 'electro', 'grunge', 'synthpop', 'rnb', 'seen live', 'favorites',
    '00s', '90s', '80s', '70s', '60s'
)
GROUP BY artist, tag
QUALIFY row_number() OVER (PARTITION BY artist ORDER BY count(*) DESC, tag) <= getvariable('tags_of_artist');

CREATE TEMP TABLE staged_items AS
SELECT artist AS item_id, artist AS title, NULL::SMALLINT AS year, coalesce(tags, '') AS tags
FROM (SELECT DISTINCT artist FROM plays) LEFT JOIN (
    SELECT item_id AS artist, array_to_string(list(tag ORDER BY support DESC, tag), '|') AS tags
    FROM tagging GROUP BY item_id
) USING (artist);

CREATE TEMP TABLE staged_users AS SELECT DISTINCT user_id FROM plays;

CREATE TEMP TABLE staged_interactions AS
SELECT user_id, artist AS item_id, sum(playcount)::FLOAT AS weight, NULL::TIMESTAMP AS time
FROM plays GROUP BY user_id, artist;
