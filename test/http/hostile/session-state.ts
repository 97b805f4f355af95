/**
 * Everything of a session that one request could leave to the next, as the server says it. One statement, so that it
 * goes through every door. Settings that somebody made up are looked at by name: `pg_settings` never shows them. Left
 * out is what stays and holds nothing: an empty temporary schema, libraries of languages that are installed, and who set
 * the modes of a transaction, which each one has anew.
 */
export const SESSION_STATE = `select pg_catalog.pg_backend_pid() as pid, pg_catalog.jsonb_build_object(
  'settings', (select pg_catalog.jsonb_object_agg(name, case when name like 'transaction%' then setting else setting || ' (' || source || ')' end)
                 from pg_catalog.pg_settings where source <> 'default' or setting is distinct from boot_val),
  'role', current_user || ' as ' || session_user,
  'path', (select pg_catalog.array_agg(name) from pg_catalog.unnest(pg_catalog.current_schemas(true)) name
            where name not like 'pg\\_temp\\_%'),
  'inside', pg_catalog.transaction_timestamp() <> pg_catalog.statement_timestamp(),
  'xid', pg_catalog.pg_current_xact_id_if_assigned() is not null,
  'planted', nullif(pg_catalog.current_setting('app.planted', true), ''),
  'prepared', (select pg_catalog.count(*) from pg_catalog.pg_prepared_statements where name <> ''),
  'cursors', (select pg_catalog.count(*) from pg_catalog.pg_cursors where name <> ''),
  'channels', (select pg_catalog.count(*) from pg_catalog.pg_listening_channels()),
  'temporary', (select pg_catalog.count(*) from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema())
             + (select pg_catalog.count(*) from pg_catalog.pg_proc where pronamespace = pg_catalog.pg_my_temp_schema())
             + (select pg_catalog.count(*) from pg_catalog.pg_type where typnamespace = pg_catalog.pg_my_temp_schema()),
  'locks', (select pg_catalog.count(*) from pg_catalog.pg_locks
             where pid = pg_catalog.pg_backend_pid() and (locktype = 'advisory' or relation >= 16384))
) as state`

export interface SessionState {
  readonly pid: number
  readonly state: Readonly<Record<string, unknown>>
}
