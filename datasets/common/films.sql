-- What counts as a concept: genres, decades, a genre in a decade, the golden age, the popular head.
-- `items` is complete here; its popularity counts training interactions alone.

CREATE TEMP TABLE genre AS
SELECT DISTINCT unnest(string_split(genres, '|')) AS name, item FROM items WHERE genres <> '';

CREATE TEMP TABLE decade AS
SELECT year // 10 * 10 AS first, item FROM items WHERE year IS NOT NULL;

INSERT INTO staged_concepts(concept, kind, item) SELECT name, 'genre', item FROM genre;

INSERT INTO staged_concepts(concept, kind, item) SELECT first || 's', 'decade', item FROM decade;

INSERT INTO staged_concepts(concept, kind, item) SELECT 'Golden-Age', 'era', item FROM items WHERE year < 1970;

-- Strict: the decade and the genre. A group of less than ten is no ground truth.
INSERT INTO staged_concepts(concept, kind, item)
SELECT format('{:02d}''s {}', first % 100, name), 'genre-decade', item
FROM genre JOIN decade USING (item)
WHERE first >= 1930
QUALIFY count(*) OVER (PARTITION BY first, name) >= 10;

-- The twentieth of the items with the most training interactions.
INSERT INTO staged_concepts(concept, kind, item)
SELECT 'Popular head', 'popularity', item
FROM items
QUALIFY row_number() OVER (ORDER BY popularity DESC, item) <= 0.05 * count(*) OVER ();
