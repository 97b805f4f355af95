-- Who else is on a cluster, by database, role or pin, how many tenants each server has, and what the audit says of an action
-- or since a time: without reading all of them.

insert into tenantry_registry.migration (version, readable_from) values (4, 1);

create index entry_by_database on tenantry_registry.entry
  (((record -> 'route' ->> 'database') collate "C"), ((record -> 'route' ->> 'server') collate "C"))
  where kind = 'tenant';
create index entry_by_role on tenantry_registry.entry
  (((record -> 'route' ->> 'role') collate "C"), ((record -> 'route' ->> 'server') collate "C"))
  where kind = 'tenant';
-- Of pinned tenants: the cluster, and the database in it.
create index entry_by_identifier on tenantry_registry.entry
  (((record -> 'identity' ->> 'systemIdentifier') collate "C"), ((record -> 'identity' ->> 'databaseOid') collate "C"))
  where kind = 'tenant' and record -> 'identity' ->> 'systemIdentifier' is not null;
create index entry_by_address on tenantry_registry.entry
  (((record -> 'identity' ->> 'serverAddress') collate "C"), ((record -> 'identity' ->> 'databaseOid') collate "C"))
  where kind = 'tenant' and record -> 'identity' ->> 'serverAddress' is not null;

create index audit_by_action on tenantry_registry.audit ((action collate "C"), seq);
create index audit_by_time on tenantry_registry.audit (at, seq);

-- Tenants by the server that their route leads to, without deleted ones. The database counts, so that what processes of the
-- version before commit is counted too.
create table tenantry_registry.crowd (
  server text collate "C" primary key,
  tenants bigint not null
);

-- Where a tenant counts; null for what does not.
create function tenantry_registry.home_of(kind text, record jsonb) returns text
language sql immutable as $$
  select case when kind = 'tenant' and record ->> 'status' <> 'deleted' then record -> 'route' ->> 'server' end
$$;

-- With the rights of their owner: whoever may write entries need have none on the count.
create function tenantry_registry.count_made() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into tenantry_registry.crowd as c (server, tenants)
  select home, count(*) from (select tenantry_registry.home_of(kind, record) as home from made) as m
  where home is not null group by home order by home
  on conflict (server) do update set tenants = c.tenants + excluded.tenants;
  return null;
end
$$;
create function tenantry_registry.count_changed() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update tenantry_registry.crowd set tenants = tenants - 1
  where server = tenantry_registry.home_of(old.kind, old.record);
  if tg_op = 'UPDATE' then
    insert into tenantry_registry.crowd as c (server, tenants)
    select home, 1 from tenantry_registry.home_of(new.kind, new.record) as home where home is not null
    on conflict (server) do update set tenants = c.tenants + 1;
  end if;
  return null;
end
$$;

-- All at once where many are made; one by one where they change, which is rare.
create trigger entry_made after insert on tenantry_registry.entry
  referencing new table as made for each statement execute function tenantry_registry.count_made();
create trigger entry_changed after update on tenantry_registry.entry for each row
  when (tenantry_registry.home_of(old.kind, old.record) is distinct from tenantry_registry.home_of(new.kind, new.record))
  execute function tenantry_registry.count_changed();
create trigger entry_removed after delete on tenantry_registry.entry for each row
  when (tenantry_registry.home_of(old.kind, old.record) is not null)
  execute function tenantry_registry.count_changed();

-- Nobody writes meanwhile: the triggers' locks are held until this is committed.
insert into tenantry_registry.crowd (server, tenants)
select home, count(*) from (select tenantry_registry.home_of(kind, record) as home from tenantry_registry.entry) as e
where home is not null group by home;

-- How common a name is decides which index is worth its while, and of indexes on a part of a table nothing is counted.
create statistics tenantry_registry.entry_servers on (record -> 'route' ->> 'server') from tenantry_registry.entry;
create statistics tenantry_registry.entry_databases on (record -> 'route' ->> 'database') from tenantry_registry.entry;
create statistics tenantry_registry.entry_roles on (record -> 'route' ->> 'role') from tenantry_registry.entry;
-- A table that changes little may else not be counted for long.
analyze tenantry_registry.entry;
analyze tenantry_registry.audit;
