// Ctrl+Shift+letter, so that no single letter ever acts (WCAG 2.1.4) and typing is never stolen.

export const shortcuts = [
  { key: "A", does: "Answer the call that rings" },
  { key: "D", does: "Decline the call that rings, or end your call" },
  { key: "M", does: "Mute or unmute your microphone" },
  { key: "H", does: "Hold or resume your call" },
  { key: "T", does: "Transfer your call, or the chosen row of the live calls" },
  { key: "U", does: "Undo: take your transfer back, or leave the consultation" },
  { key: "C", does: "Complete: the caller goes to the colleague you consult" },
  { key: "S", does: "Swap between the caller and the colleague you consult" },
  { key: "L", does: "Go to the live calls and back" },
] as const;

export type ShortcutKey = (typeof shortcuts)[number]["key"];

/** Which shortcut was pressed, by the letter on the key or, on other alphabets, by its place. */
export function pressed(event: KeyboardEvent): ShortcutKey | null {
  if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey || event.repeat) return null;
  const letter = event.key.toUpperCase();
  return shortcuts.find(({ key }) => key === letter || (letter > "~" && event.code === `Key${key}`))?.key ?? null;
}
