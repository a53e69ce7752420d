-- What counts as a concept among artists: tags with enough of them, the paper's unions of tags, the popular head.
-- load.sql made `tagging(item_id, tag, support)`: support is how many users, or plays, stand behind a tag.

INSERT INTO staged_concepts
SELECT tag, 'tag', item, support
FROM tagging JOIN items USING (item_id)
QUALIFY count(*) OVER (PARTITION BY tag) >= getvariable('min_tagged');

-- The paper's notebooks count an artist that carries any of these. Spelled with spaces here; they write underscores.
INSERT INTO staged_concepts
SELECT name || ' (union)', 'tag-union', item, max(support)
FROM (VALUES
    ('Metal', ['metal', 'melodic death metal', 'death metal', 'power metal', 'progressive metal', 'symphonic metal']),
    ('Pop', ['pop', 'dance', 'female vocalists', 'hip hop', 'hip-hop']),
    ('Trance', ['electronic', 'dance', 'trance']),
    ('Reggae', ['reggae', 'folk', 'ska']),
    ('Hardcore', ['hardcore', 'metalcore', 'screamo', 'post-hardcore', 'post hardcore']),
    ('Rock', ['rock', 'indie rock'])
) AS unions(name, tags)
JOIN tagging ON list_contains(tags, replace(tag, '_', ' '))
JOIN items USING (item_id)
GROUP BY name, item;

-- The twentieth of the artists with the most training interactions.
INSERT INTO staged_concepts(concept, kind, item)
SELECT 'Popular head', 'popularity', item
FROM items
QUALIFY row_number() OVER (ORDER BY popularity DESC, item) <= 0.05 * count(*) OVER ();
