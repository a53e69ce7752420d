-- MovieLens as CSV (latest-small, 20M, 25M, 32M): comma, header row, quoted where needed, UTF-8. There is no file of
-- users: whoever rated something is one.

CREATE TEMP TABLE staged_items AS
SELECT
    movieId::VARCHAR AS item_id,
    regexp_replace(trim(title), '\s*\(\d{4}\)$', '') AS title,
    TRY_CAST(regexp_extract(trim(title), '\((\d{4})\)$', 1) AS SMALLINT) AS year,
    CASE WHEN genres = '(no genres listed)' THEN '' ELSE genres END AS genres
FROM read_csv(
    getvariable('raw') || 'movies.csv',
    delim = ',', header = true, quote = '"', escape = '"', auto_detect = false, force_not_null = ['title', 'genres'],
    columns = {'movieId': 'UINTEGER', 'title': 'VARCHAR', 'genres': 'VARCHAR'}
);

CREATE TEMP TABLE staged_interactions AS
SELECT
    userId::VARCHAR AS user_id,
    movieId::VARCHAR AS item_id,
    rating AS weight,
    make_timestamp("timestamp" * 1000000) AS time
FROM read_csv(
    getvariable('raw') || 'ratings.csv',
    delim = ',', header = true, quote = '"', escape = '"', auto_detect = false,
    columns = {'userId': 'UINTEGER', 'movieId': 'UINTEGER', 'rating': 'FLOAT', 'timestamp': 'BIGINT'}
);

CREATE TEMP TABLE staged_users AS SELECT DISTINCT user_id FROM staged_interactions;
