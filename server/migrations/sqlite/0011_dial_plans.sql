-- The international prefixes of the home country are known; 00 and 011 were in every policy, whatever its country.
UPDATE policies
SET
    document = json_remove(
        document,
        '$.dial_plan.international_prefixes[1]',
        '$.dial_plan.international_prefixes[0]'
    )
WHERE
    json_extract(document, '$.dial_plan.international_prefixes[0]') = '00'
    AND json_extract(document, '$.dial_plan.international_prefixes[1]') = '011';
