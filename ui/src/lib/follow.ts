/** How far below the place another row may stand in for one that is gone. */
const NEAR = 20;

/** Where the row at `place` of the old list is in the new one; if it is gone, where those after it stand; `null` if they are too. */
export function follow<Row>(old: Row[], now: Row[], place: number, key: (row: Row) => string): number | null {
  for (let at = place; at < Math.min(old.length, place + NEAR); at++) {
    const wanted = key(old[at]!);
    // Most changes are at one end.
    const from = [at, at + now.length - old.length].find((guess) => now[guess] !== undefined && key(now[guess]!) === wanted);
    const found = from ?? now.findIndex((row) => key(row) === wanted);
    if (found >= 0) return Math.max(0, found - (at - place));
  }
  return null;
}
