/** Lists of what one resource has only few of: read whole, then picked, sorted and cut here. */
import { type AttributeMap, missingFault } from '../resources/attribute.ts';
import type { ListRequest } from './list-query.ts';
import type { Row } from './view.ts';

/** The page of the rows that is asked for. Throws a Fault if its marker is none of them. */
export function pick(map: AttributeMap, rows: readonly Row[], asked: ListRequest): Row[] {
  const kept = rows.filter((row) =>
    asked.filters.every(({ column, values }) =>
      values.some((value) => String(row[column]) === String(value)),
    ),
  );
  const sort = [...asked.sort, { column: 'id', descending: false }];
  kept.sort((a, b) => {
    for (const { column, descending } of sort) {
      const [one, other] = [a[column] as never, b[column] as never];
      if (one !== other) return one < other === descending ? 1 : -1;
    }
    return 0;
  });
  if (asked.limit === 0) return kept;
  const at = kept.findIndex((row) => row.id === asked.marker);
  if (asked.marker !== undefined && at < 0) throw missingFault(map, asked.marker);
  if (!asked.reverse) return kept.slice(at + 1, at + 1 + asked.limit);
  const end = asked.marker === undefined ? kept.length : at;
  return kept.slice(Math.max(0, end - asked.limit), end);
}
