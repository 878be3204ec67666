import type { RingKind, RingView } from "../bindings";
import type { Mood } from "./words";
import { partyName } from "./words";

/** What a ring says aloud: who passes the call on, who calls, for which department, and the note. */
export function ringSentence(ring: RingView): string {
  return [
    ring.headline,
    `Caller: ${partyName(ring.caller)}`,
    ring.department && !ring.headline.includes(ring.department) ? ring.department : null,
    ring.note ? `Note: ${ring.note}` : null,
  ]
    .filter(Boolean)
    .join(". ");
}

export const ringMood: Record<RingKind, Mood> = {
  outside: "ringing",
  internal: "ringing",
  transfer: "moving",
  recall: "bad",
  consult: "held",
};

export const ringIcon: Record<RingKind, "ringing" | "transfer" | "undo" | "talking"> = {
  outside: "ringing",
  internal: "ringing",
  transfer: "transfer",
  recall: "undo",
  consult: "talking",
};
