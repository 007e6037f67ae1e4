/** The `next` and `previous` links of a page, as Neutron writes them. */

export interface PageRequest {
  /** The URL without its query string, as the client sees it. */
  readonly url: string;
  readonly parameters: URLSearchParams;
  readonly limit: number;
  readonly reverse: boolean;
}

export interface Link {
  readonly rel: 'next' | 'previous';
  readonly href: string;
}

function href(page: PageRequest, marker: string | undefined, reverse: boolean): string {
  const parameters = new URLSearchParams(page.parameters);
  parameters.delete('marker');
  // Neutron overwrites a page_reverse that is there and drops it in a next link
  if (!reverse) parameters.delete('page_reverse');
  if (marker !== undefined) parameters.append('marker', marker);
  if (reverse) parameters.set('page_reverse', 'True');
  return `${page.url}?${parameters}`;
}

/**
 * There is a next link unless the page came up short going forward, and a previous link unless it came up short going
 * back: what Neutron does, though it cannot know that there is more.
 */
export function pageLinks(page: PageRequest, ids: readonly string[]): Link[] {
  const short = ids.length < page.limit;
  const links: Link[] = [];
  if (!short || page.reverse) links.push({ rel: 'next', href: href(page, ids.at(-1), false) });
  if (!short || !page.reverse) links.push({ rel: 'previous', href: href(page, ids[0], true) });
  return links;
}
