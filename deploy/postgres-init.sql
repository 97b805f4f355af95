-- Run once by the postgres image, when its data folder is empty.
\set registry_password `cat /run/secrets/registry_password`
\set admin_password `cat /run/secrets/admin_password`

-- The management database: where tenants, servers and keys are kept.
CREATE ROLE tenantry_registry LOGIN PASSWORD :'registry_password';
CREATE DATABASE tenantry OWNER tenantry_registry;
REVOKE CONNECT ON DATABASE tenantry FROM PUBLIC;

-- Makes tenants' databases and roles on this server; not a superuser.
CREATE ROLE tenantry_admin LOGIN CREATEDB CREATEROLE PASSWORD :'admin_password';

-- A tenant's role has no business here.
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO tenantry_admin;
