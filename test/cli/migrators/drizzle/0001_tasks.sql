create table tasks (id serial primary key, project int not null references projects);
