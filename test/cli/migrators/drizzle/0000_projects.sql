create table projects (id serial primary key, name text not null);
--> statement-breakpoint
create index projects_by_name on projects (name);
