const MARGIN = 8;

/** Puts `element` into the top layer, where nothing covers it, with its corner at `at`, but inside the window. */
export function showAt(element: HTMLElement, at: { x: number; y: number }, corner: "left" | "right" = "left"): void {
  if (!element.matches(":popover-open")) element.showPopover();
  const { width, height } = element.getBoundingClientRect();
  const inside = (wanted: number, size: number, room: number) => Math.max(MARGIN, Math.min(wanted, room - size - MARGIN));
  element.style.left = `${inside(corner === "right" ? at.x - width : at.x, width, innerWidth)}px`;
  element.style.top = `${inside(at.y, height, innerHeight)}px`;
}
