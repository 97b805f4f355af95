#!/bin/sh
# Writes random secrets for docker-compose.yml to .secrets/ beside it, once: what exists is kept.
# The folder is yours alone; the files in it can be read by whoever they are mounted for.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .secrets
chmod 700 .secrets

word() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
key() { printf 'k1:%s' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')"; }
keep() { [ -e ".secrets/$1" ] || { printf '%s\n' "$2" >".secrets/$1" && chmod 444 ".secrets/$1"; }; }

keep postgres_password "$(word)"
keep registry_password "$(word)"
keep admin_password "$(word)"
keep master_key "$(key)"
keep admin_key "$(key)"
keep registry_url "postgres://tenantry_registry:$(cat .secrets/registry_password)@postgres:5432/tenantry?sslmode=disable"
