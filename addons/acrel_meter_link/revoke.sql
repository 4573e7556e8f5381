-- Take every right of the link's role on the project's tables and sequences, so that grants.sql says all there is.
DO $$
DECLARE
    target record;
BEGIN
    -- two supervisors may start at the same time; catalogue rows do not wait for one another
    PERFORM pg_advisory_xact_lock(hashtext('acrel_link_grants'));
    FOR target IN
        SELECT c.oid::regclass AS name, c.relkind
          FROM pg_class c
         WHERE c.relnamespace = current_schema()::regnamespace
           AND c.relkind IN ('r', 'p', 'S')
           AND c.relname LIKE 'acrel\_%'
           AND (c.relacl::text LIKE '%acrel_link=%'
                OR EXISTS (SELECT 1 FROM pg_attribute a
                            WHERE a.attrelid = c.oid AND a.attacl::text LIKE '%acrel_link=%'))
    LOOP
        IF target.relkind = 'S' THEN
            EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM acrel_link', target.name);
        ELSE
            -- takes the rights on the columns as well
            EXECUTE format('REVOKE ALL ON TABLE %s FROM acrel_link', target.name);
        END IF;
    END LOOP;
    IF to_regprocedure('acrel_reading_ensure_partition(date)') IS NOT NULL THEN
        REVOKE ALL ON FUNCTION acrel_reading_ensure_partition(date) FROM acrel_link;
    END IF;
END $$;
