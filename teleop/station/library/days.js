// @ts-check
/** Days of the user's clock, as instants for the station: only the browser knows when a day began where its user is. */

/**
 * Return filters in which days are instants: `since` is the beginning of its day, `until` the end.
 * @param {URLSearchParams} filters with days such as 2026-11-21
 */
export function withInstants(filters) {
  const query = new URLSearchParams(filters);
  for (const [name, days] of /** @type {[string, number][]} */ ([["since", 0], ["until", 1]])) {
    const day = (query.get(name) || "").match(/^(\d{4})-(\d\d)-(\d\d)$/);
    if (day) query.set(name, new Date(Number(day[1]), Number(day[2]) - 1, Number(day[3]) + days).toISOString());
  }
  return query;
}
