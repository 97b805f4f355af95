-- The registry in a management database, as `psql --single-transaction -f` would apply it too. The service does
-- so itself, under an advisory lock, with search_path = '': every name is qualified.
--
-- How this schema may change: expand, then contract. A file that only adds (tables, columns with defaults,
-- functions of new names) keeps `readable_from`, so that processes of the version before go on beside new ones.
-- A file that takes away raises it to the first version whose processes no longer need what it drops.

create schema tenantry_registry;

create table tenantry_registry.migration (
  version int primary key,
  -- Processes that know no version from here on refuse to start.
  readable_from int not null,
  applied_at timestamptz not null default clock_timestamp()
);
insert into tenantry_registry.migration (version, readable_from) values (1, 1);

create table tenantry_registry.registry (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid(),
  -- Given last. Rises under a row lock, so that revisions become visible in their order.
  revision bigint not null default 0
);
insert into tenantry_registry.registry default values;

create sequence tenantry_registry.generation;

create table tenantry_registry.entry (
  kind text collate "C" not null,
  id text collate "C" not null,
  revision bigint not null,
  -- Of aliases, keys and operations: the tenant they belong to.
  tenant text collate "C",
  -- Of tenants: NAME=VALUE each. An array, since the planner counts its common elements and knows which are rare.
  labels text[],
  record jsonb not null,
  primary key (kind, id)
);
create index entry_by_tenant on tenantry_registry.entry (tenant, kind, id) where tenant is not null;
create index entry_by_status on tenantry_registry.entry (((record ->> 'status') collate "C"), id)
  where kind = 'tenant';
create index entry_by_labels on tenantry_registry.entry using gin (labels) where kind = 'tenant';

-- What followers read; each commit cuts it to its last entries.
create table tenantry_registry.change (
  revision bigint primary key,
  kind text collate "C" not null,
  id text collate "C" not null
);

create table tenantry_registry.audit (
  seq bigint generated always as identity primary key,
  written_at timestamptz not null default clock_timestamp(),
  -- Of the registry, after the commit.
  revision bigint not null,
  actor text not null,
  action text not null,
  target text not null,
  at timestamptz not null,
  detail jsonb not null
);
create index audit_by_target on tenantry_registry.audit (target, seq);

create function tenantry_registry.refuse_audit_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'the audit table only grows: % refused', tg_op using errcode = '42501';
end
$$;
create trigger audit_only_grows before update or delete or truncate on tenantry_registry.audit
  for each statement execute function tenantry_registry.refuse_audit_change();

-- One commit: all of it or nothing, in one round trip, so that no client can stop in the middle of it.
-- Raises TR001 when an expectation does not hold. Returns the revisions of the puts, in their order.
create function tenantry_registry.commit_1(
  puts jsonb, removes jsonb, expectations jsonb, audit jsonb, max_changes bigint
) returns bigint[]
language plpgsql set search_path = '' as $$
declare
  base bigint;
  last bigint;
  unmet text;
  put_count bigint := jsonb_array_length(puts);
begin
  -- Commits take turns here; what follows sees everything that committed before.
  select revision into strict base from tenantry_registry.registry for update;

  select format('%s %s: expected revision %s, found %s', e.kind, e.id, e.revision, coalesce(x.revision, 0))
  into unmet
  from jsonb_to_recordset(expectations) as e (kind text collate "C", id text collate "C", revision bigint)
  left join tenantry_registry.entry x on x.kind = e.kind and x.id = e.id
  where coalesce(x.revision, 0) <> e.revision
  limit 1;
  if unmet is not null then
    raise exception using errcode = 'TR001', message = unmet;
  end if;

  insert into tenantry_registry.entry (kind, id, revision, tenant, labels, record)
  select e ->> 'kind', e ->> 'id', base + n, e ->> 'tenant',
    case when e ->> 'kind' = 'tenant'
      then array(select key || '=' || value from jsonb_each_text(e -> 'record' -> 'labels')) end,
    e -> 'record'
  from jsonb_array_elements(puts) with ordinality as p (e, n)
  on conflict (kind, id) do update
    set revision = excluded.revision, tenant = excluded.tenant, labels = excluded.labels, record = excluded.record;

  insert into tenantry_registry.change (revision, kind, id)
  select base + n, e ->> 'kind', e ->> 'id' from jsonb_array_elements(puts) with ordinality as p (e, n);

  with gone as (
    delete from tenantry_registry.entry x
    using jsonb_to_recordset(removes) as r (kind text collate "C", id text collate "C")
    where x.kind = r.kind and x.id = r.id
    returning x.kind, x.id
  )
  insert into tenantry_registry.change (revision, kind, id)
  select base + put_count + row_number() over (), kind, id from gone;

  select coalesce(max(revision), base) into last from tenantry_registry.change where revision > base;
  update tenantry_registry.registry set revision = last;
  delete from tenantry_registry.change where revision <= last - max_changes;

  insert into tenantry_registry.audit (revision, actor, action, target, at, detail)
  values (last, audit ->> 'actor', audit ->> 'action', audit ->> 'target', (audit ->> 'at')::timestamptz,
          audit -> 'detail');

  perform pg_notify('tenantry_registry', last::text);
  return array(select base + n from generate_series(1, put_count) as n order by n);
end
$$;
