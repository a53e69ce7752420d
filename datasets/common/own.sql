-- What counts as a concept in a data set that its user added: tags, decades, a tag in a decade, the popular head.

CREATE TEMP TABLE tagged AS
SELECT name, item
FROM (SELECT DISTINCT unnest(string_split(tags, '|')) AS name, item FROM items WHERE tags <> '')
QUALIFY count(*) OVER (PARTITION BY name) >= getvariable('min_tagged');

CREATE TEMP TABLE decade AS
SELECT year // 10 * 10 AS first, item FROM items WHERE year IS NOT NULL;

INSERT INTO staged_concepts(concept, kind, item) SELECT name, 'tag', item FROM tagged;

INSERT INTO staged_concepts(concept, kind, item)
SELECT first || 's', 'decade', item FROM decade
WHERE first || 's' NOT IN (SELECT name FROM tagged)
QUALIFY count(*) OVER (PARTITION BY first) >= getvariable('min_tagged');

INSERT INTO staged_concepts(concept, kind, item)
SELECT first || 's ' || name, 'tag-decade', item
FROM tagged JOIN decade USING (item)
QUALIFY count(*) OVER (PARTITION BY first, name) >= getvariable('min_tagged');

-- The twentieth of the items with the most training interactions.
INSERT INTO staged_concepts(concept, kind, item)
SELECT 'Popular head', 'popularity', item
FROM items
WHERE EXISTS (FROM interactions)
QUALIFY row_number() OVER (ORDER BY popularity DESC, item) <= 0.05 * count(*) OVER ();
