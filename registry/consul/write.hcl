# Rules for processes that make or change tenants, servers and keys: the service with its operator plane, the CLI.
# Put your prefix where it is not the default one.
#
#   consul acl policy create -name tenantry-write -rules @write.hcl
#   consul acl token create -policy-name tenantry-write
#
# The token goes into the registry's URL: consul://:TOKEN@consul.example:8500/tenantry

key_prefix "tenantry/" {
  policy = "write"
}
