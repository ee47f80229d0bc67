/** Tells events of one machine from those of others: by the names that the events have for whom they are about. */
export function isAbout(id: string): (event: { readonly data: unknown }) => boolean {
  return ({ data }) => {
    if (typeof data !== 'object' || data === null) return false;
    if ('peers' in data) return Array.isArray(data.peers) && data.peers.includes(id);
    return ('peer' in data && data.peer === id) || ('id' in data && data.id === id);
  };
}
