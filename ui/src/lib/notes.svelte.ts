// A note that somebody wants to write: the details take the focus there once they are open.
import type { CallId } from "../bindings";
import { ask } from "./view.svelte";

let wanted = $state<CallId | null>(null);

export function writeNote(call: CallId): void {
  wanted = call;
  ask({ kind: "open_details", call });
}

/** Whether the note of this call is wanted. */
export const isWanted = (call: CallId): boolean => wanted === call;

export const taken = (): void => void (wanted = null);
