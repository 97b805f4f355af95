# Rules for processes that only route: they read records and follow changes. The registry must exist already.

key_prefix "tenantry/" {
  policy = "read"
}
