import { quoteText } from '../lifecycle/sql-name.ts'

/** Tables that each tenant of the demo has; a fourth one begins with them, empty. */
export const DEMO_TABLES = `create table projects (
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
`

interface Project {
  readonly name: string
  readonly tasks: readonly string[]
}

const PROJECTS: Readonly<Record<string, readonly Project[]>> = {
  acme: [
    { name: 'Rocket skates', tasks: ['Find a steeper hill', 'Order more bandages'] },
    { name: 'Portable hole', tasks: ['Do not fold it while standing on it'] },
  ],
  globex: [
    { name: 'Weather machine', tasks: ['Calibrate the thunder', 'Renew the volcano lease'] },
    { name: 'Hammock district', tasks: ['Open a third hammock shop'] },
    { name: 'Company picnic', tasks: ['Count the tables'] },
  ],
  initech: [
    { name: 'Report covers', tasks: ['Ask again about the cover sheet', 'Print the cover sheet'] },
    { name: 'Move to the basement', tasks: ['Find the red stapler'] },
  ],
}

export const DEMO_TENANTS: readonly string[] = Object.keys(PROJECTS)

/** Tables and rows of one tenant, as `tenant create --schema` takes them. */
export function demoSchema(tenant: string): string {
  return DEMO_TABLES + (PROJECTS[tenant] ?? []).map(insertProject).join('')
}

function insertProject({ name, tasks }: Project): string {
  const titles = tasks.map((title) => `(${quoteText(title)})`).join(', ')
  return `with project as (insert into projects (name) values (${quoteText(name)}) returning id)
insert into tasks (project_id, title) select project.id, t.title from project, (values ${titles}) as t (title);
`
}
