/** A hint that says more than its element does: seen beside it (parts/Tip.svelte), and read after its name. */
export const tip = (says: string | null | undefined) => ({ "data-tip": says ?? undefined, "aria-description": says ?? undefined });
