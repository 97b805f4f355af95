-- Lists of tenants by server, of operations by state, and of tenants by labels that neither few nor most have.

insert into tenantry_registry.migration (version, readable_from) values (3, 1);

create index entry_by_server on tenantry_registry.entry (((record -> 'route' ->> 'server') collate "C"), id)
  where kind = 'tenant';
create index entry_ids_with_labels on tenantry_registry.entry (id) include (labels) where kind = 'tenant';
create index entry_by_state on tenantry_registry.entry (((record ->> 'state') collate "C"), id)
  where kind = 'operation';
