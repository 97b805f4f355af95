create table projects (
  id bigint generated always as identity primary key,
  name text not null,
  created_at timestamptz not null default now()
);
create table tasks (
  id bigint generated always as identity primary key,
  project_id bigint not null references projects on delete cascade,
  title text not null,
  is_done boolean not null default false
);
create index tasks_by_project on tasks (project_id);
