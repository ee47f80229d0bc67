import { computed } from '@preact/signals';
import { address } from '../ui/address.ts';
import { Link } from '../ui/link.tsx';
import { Light } from './light.tsx';
import { groupsOf, STANDINGS } from './machine-list.ts';
import { counts, filter, machines } from './machines.ts';

const groups = computed(() => groupsOf([...machines.value.values()]));

/** How many machines there are of each standing: the numbers add up. Each leads to its list. */
export function Summary() {
  const isMachines = !address.value.has('view');
  const { standing } = filter.value;
  const isCurrent = (show: string): boolean => isMachines && standing === show;
  return (
    <nav class="summary" aria-label="Machines by state">
      {STANDINGS.map((each, index) => (
        <span key={each} class="count">
          {index > 0 && (
            <span class="sign" aria-hidden="true">
              +
            </span>
          )}
          <Link to={{ show: each, view: undefined, machine: undefined }} isCurrent={isCurrent(each)}>
            <b>{counts.value[each]}</b> <Light standing={each} />
          </Link>
        </span>
      ))}
      <span class="count">
        <span class="sign" aria-hidden="true">
          =
        </span>
        <Link to={{ show: 'all', view: undefined, machine: undefined }} isCurrent={isCurrent('all')}>
          <b>{machines.value.size}</b> members
        </Link>
      </span>
    </nav>
  );
}

/** Each group with one light, and how many of it are online. */
export function Groups() {
  const { group } = filter.value;
  if (groups.value.length === 0) return null;
  return (
    <nav class="groups" aria-label="Groups">
      {groups.value.map(({ name, online, members, standing }) => (
        <Link
          key={name}
          class="group"
          to={{ group: group === name ? undefined : name, machine: undefined }}
          isCurrent={group === name}
          title={`${online} of ${members} online; worst: ${standing}`}
        >
          <Light standing={standing} words={`@${name}`} />
          <span class="dim">
            {online}/{members}
          </span>
        </Link>
      ))}
    </nav>
  );
}
