-- Ties the entries of the audit into a chain that only the holders of the master key can make. Adds only: processes of
-- the version before go on with commit_1 beside new ones, and what they write stands unsealed between the links.

alter table tenantry_registry.audit
  add column tenant text collate "C",
  -- All four or none. Sealed is the entry together with these; see src/registry/audit/audit-key.ts.
  add column kid text,
  add column link bigint,
  add column previous text,
  add column mac text;
create index audit_by_tenant on tenantry_registry.audit (tenant, seq) where tenant is not null;
create index audit_by_actor on tenantry_registry.audit (actor, seq);

-- The last link. Beside the entries, so that the newest cannot go missing unnoticed.
alter table tenantry_registry.registry
  add column audit_link bigint not null default 0,
  add column audit_mac text not null default '';

-- As commit_1, with a seal for the entry, or null. Raises TR002 where the seal was made for another state of the
-- registry than the present one, which the detail tells: the caller seals anew.
create function tenantry_registry.commit_2(
  puts jsonb, removes jsonb, expectations jsonb, audit jsonb, seal jsonb, max_changes bigint
) returns bigint[]
language plpgsql set search_path = '' as $$
declare
  base bigint;
  head_link bigint;
  head_mac text;
  last bigint;
  unmet text;
  put_count bigint := jsonb_array_length(puts);
begin
  -- Commits take turns here; what follows sees everything that committed before.
  select revision, audit_link, audit_mac into strict base, head_link, head_mac
  from tenantry_registry.registry for update;

  select format('%s %s: expected revision %s, found %s', e.kind, e.id, e.revision, coalesce(x.revision, 0))
  into unmet
  from jsonb_to_recordset(expectations) as e (kind text collate "C", id text collate "C", revision bigint)
  left join tenantry_registry.entry x on x.kind = e.kind and x.id = e.id
  where coalesce(x.revision, 0) <> e.revision
  limit 1;
  if unmet is not null then
    raise exception using errcode = 'TR001', message = unmet;
  end if;

  if jsonb_typeof(seal) = 'object' and (
    base <> (seal ->> 'base')::bigint or head_link + 1 <> (seal ->> 'link')::bigint
    or head_mac <> seal ->> 'previous'
  ) then
    raise exception using errcode = 'TR002', message = 'another commit was quicker',
      detail = jsonb_build_object('revision', base, 'link', head_link, 'mac', head_mac)::text;
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
  update tenantry_registry.registry set revision = last,
    audit_link = coalesce((seal ->> 'link')::bigint, head_link), audit_mac = coalesce(seal ->> 'mac', head_mac);
  delete from tenantry_registry.change where revision <= last - max_changes;

  insert into tenantry_registry.audit
    (revision, actor, action, target, tenant, at, detail, kid, link, previous, mac)
  values (last, audit ->> 'actor', audit ->> 'action', audit ->> 'target', audit ->> 'tenant',
          (audit ->> 'at')::timestamptz, audit -> 'detail',
          seal ->> 'kid', (seal ->> 'link')::bigint, seal ->> 'previous', seal ->> 'mac');

  perform pg_notify('tenantry_registry', last::text);
  return array(select base + n from generate_series(1, put_count) as n order by n);
end
$$;

insert into tenantry_registry.migration (version, readable_from) values (2, 1);
