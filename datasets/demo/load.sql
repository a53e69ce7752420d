-- films.csv ships beside this file; viewers.csv and interactions.csv are simulated from tastes.toml.

CREATE TEMP TABLE staged_items AS
SELECT film_id AS item_id, title, year, genres
FROM read_csv(
    getvariable('raw') || 'films.csv', header = true, delim = ',', quote = '"', escape = '"', auto_detect = false,
    force_not_null = ['film_id', 'title', 'genres'],
    columns = {'film_id': 'VARCHAR', 'title': 'VARCHAR', 'year': 'SMALLINT', 'genres': 'VARCHAR'}
);

CREATE TEMP TABLE staged_users AS
SELECT viewer_id AS user_id, age_band, country
FROM read_csv(
    getvariable('raw') || 'viewers.csv', header = true, delim = ',', quote = '"', escape = '"', auto_detect = false,
    columns = {'viewer_id': 'VARCHAR', 'age_band': 'VARCHAR', 'country': 'VARCHAR'}
);

CREATE TEMP TABLE staged_interactions AS
SELECT viewer_id AS user_id, film_id AS item_id, 1::FLOAT AS weight, NULL::TIMESTAMP AS time
FROM read_csv(
    getvariable('raw') || 'interactions.csv', header = true, delim = ',', quote = '"', escape = '"',
    auto_detect = false, columns = {'viewer_id': 'VARCHAR', 'film_id': 'VARCHAR'}
);
