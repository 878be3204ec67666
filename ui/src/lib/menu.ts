import type { IconName } from "./icons";

export interface MenuItem {
  id: string;
  label: string;
  icon: IconName;
  /** Why it can't be done now, as a sentence. */
  refused?: string | null;
  keys?: string;
  does: () => void;
}

/** The keys of an open menu (the ARIA menu pattern): arrows, Home, End, a letter, Escape, Tab. */
export function menuKeys(event: KeyboardEvent, menu: HTMLElement | undefined, does: { close: () => void; leave: () => void }): void {
  const items = [...(menu?.querySelectorAll<HTMLElement>("[role^='menuitem']") ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key] ?? byLetter(event, items, at);
  if (to !== null) {
    event.preventDefault();
    items[to % items.length]?.focus();
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    does.close();
  } else if (event.key === "Tab") {
    does.leave();
  }
}

/** The next item that begins with the letter. */
function byLetter({ key, ctrlKey, altKey, metaKey }: KeyboardEvent, items: HTMLElement[], at: number): number | null {
  if (key.length !== 1 || key === " " || ctrlKey || altKey || metaKey) return null;
  const order = items.map((_, i) => (at + 1 + i) % items.length);
  return order.find((i) => items[i]?.textContent?.trim().toLowerCase().startsWith(key.toLowerCase())) ?? null;
}
