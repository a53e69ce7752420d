-- The official files: `::` between fields, no header, no quoting; movies.dat is Latin-1, the rest ASCII.
-- Codes are read as enumerations, so that a row with an unknown code stops the load with its line number.

CREATE TEMP TABLE staged_items AS
SELECT
    item_id::VARCHAR AS item_id,
    regexp_replace(title, '\s*\(\d{4}\)$', '') AS title,
    TRY_CAST(regexp_extract(title, '\((\d{4})\)$', 1) AS SMALLINT) AS year,
    genres
FROM read_csv(
    getvariable('raw') || 'movies.dat',
    delim = '::', header = false, quote = '', escape = '', auto_detect = false, encoding = 'latin-1',
    force_not_null = ['item_id', 'title'],
    columns = {'item_id': 'UINTEGER', 'title': 'VARCHAR', 'genres': 'VARCHAR'}
);

CREATE TEMP TABLE staged_users AS
SELECT
    user_id::VARCHAR AS user_id,
    gender::VARCHAR AS gender,
    MAP {
        '1': 'under 18', '18': '18-24', '25': '25-34', '35': '35-44', '45': '45-49', '50': '50-55', '56': '56+'
    }[age::VARCHAR] AS age,
    [
        'other or not specified', 'academic/educator', 'artist', 'clerical/admin', 'college/grad student',
        'customer service', 'doctor/health care', 'executive/managerial', 'farmer', 'homemaker',
        'K-12 student', 'lawyer', 'programmer', 'retired', 'sales/marketing', 'scientist', 'self-employed',
        'technician/engineer', 'tradesman/craftsman', 'unemployed', 'writer'
    ][occupation::VARCHAR::INTEGER + 1] AS occupation,
    zip_code
FROM read_csv(
    getvariable('raw') || 'users.dat',
    delim = '::', header = false, quote = '', escape = '', auto_detect = false,
    force_not_null = ['user_id', 'gender', 'age', 'occupation'],
    columns = {
        'user_id': 'UINTEGER',
        'gender': 'ENUM(''F'', ''M'')',
        'age': 'ENUM(''1'', ''18'', ''25'', ''35'', ''45'', ''50'', ''56'')',
        'occupation': 'ENUM(''0'', ''1'', ''2'', ''3'', ''4'', ''5'', ''6'', ''7'', ''8'', ''9'', ''10'', ''11'',
            ''12'', ''13'', ''14'', ''15'', ''16'', ''17'', ''18'', ''19'', ''20'')',
        'zip_code': 'VARCHAR'
    }
);

CREATE TEMP TABLE staged_interactions AS
SELECT
    user_id::VARCHAR AS user_id,
    item_id::VARCHAR AS item_id,
    rating::VARCHAR::FLOAT AS weight,
    make_timestamp(seconds * 1000000) AS time
FROM read_csv(
    getvariable('raw') || 'ratings.dat',
    delim = '::', header = false, quote = '', escape = '', auto_detect = false,
    force_not_null = ['user_id', 'item_id', 'rating', 'seconds'],
    columns = {
        'user_id': 'UINTEGER',
        'item_id': 'UINTEGER',
        'rating': 'ENUM(''1'', ''2'', ''3'', ''4'', ''5'')',
        'seconds': 'BIGINT'
    }
);
