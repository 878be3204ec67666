// What a person can do with a call of the list.
import type { CallId, Row, View } from "../bindings";
import { noDial, type Session } from "./accounts";
import { copy } from "./clipboard";
import type { MenuItem } from "./menu";
import { writeNote } from "./notes.svelte";
import { ask } from "./view.svelte";

type Sides = Pick<Row, "direction" | "caller" | "dialled">;

/** Whom one rings to speak with the other side again; empty if the number was withheld. */
export function backNumber({ direction, caller, dialled }: Sides, session: Session): string {
  const me = session?.me;
  const isMine = me && direction === "internal" && (caller.number === me.extension || caller.number === me.id);
  return isMine ? dialled : caller.number;
}

export const linkTo = (call: CallId): string => `patchcord:call/${call}`;

export function rowMenu(row: Row, view: View, session: Session): MenuItem[] {
  const number = backNumber(row, session);
  const withheld = number ? null : "The number was withheld.";
  const noPhone = noDial(view);
  const unplayable = row.voicemail === "none" ? "Nobody left a message." : null;
  return [
    { id: "call", label: "Call back", icon: "answer", refused: withheld ?? noPhone, does: () => ask({ kind: "dial", number }) },
    { id: "copy", label: "Copy number", icon: "copy", refused: withheld, does: () => void copy(number) },
    { id: "open", label: "Open details", icon: "details", keys: "Enter", does: () => ask({ kind: "open_details", call: row.id }) },
    { id: "play", label: "Play message", icon: "voicemail", refused: unplayable, does: () => ask({ kind: "play_message", call: row.id }) },
    { id: "note", label: row.note ? "Change note…" : "Note…", icon: "note", does: () => writeNote(row.id) },
    { id: "link", label: "Copy link", icon: "link", does: () => void copy(linkTo(row.id)) },
  ];
}
