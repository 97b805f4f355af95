-- Up Migration
create table invoices (id serial primary key, amount numeric not null);

-- Down Migration
drop table invoices;
