// Notes that are being written. A draft lives until it is saved or given up, whatever arrives or is opened meanwhile; the
// desk keeps it for when the app is started again.
import { SvelteMap } from "svelte/reactivity";
import type { CallId, CallRecord, DispositionId, Draft as KeptDraft, Unsent, UserId } from "../bindings";
import { ask } from "./view.svelte";

export interface Written {
  note: string;
  disposition: DispositionId | null;
}

export interface Draft extends Written {
  /** The revision that the person saw when they began. */
  base: number;
}

const drafts = new SvelteMap<string, Draft>();
/** What the desk keeps of these is older than what is known here. */
const known = new Set<string>();

// Each user of this machine has their own.
const key = (me: UserId, call: CallId) => `${me} ${call}`;

export const draftOf = (me: UserId, call: CallId): Draft | undefined => drafts.get(key(me, call));

export function draft(me: UserId, call: CallId, { base, note, disposition }: Draft): void {
  known.add(key(me, call));
  drafts.set(key(me, call), { base, note, disposition });
  ask({ kind: "draft_remarks", draft: { call, base, note, disposition } });
}

export function giveUp(me: UserId, call: CallId): void {
  known.add(key(me, call));
  drafts.delete(key(me, call));
  ask({ kind: "drop_draft", call });
}

/** Takes up what was being written when the app was last ended. */
export function takeUp(me: UserId, { call, base, note, disposition }: KeptDraft): void {
  if (known.has(key(me, call))) return;
  known.add(key(me, call));
  drafts.set(key(me, call), { base, note, disposition });
}

/** What is on the call, as this desk knows it: what is written here goes before what the exchange has. */
export function onCall(record: CallRecord, unsent: Unsent | null): Draft {
  const { note = "", disposition = null } = unsent ?? record.remarks ?? {};
  return { note, disposition, base: unsent?.base ?? record.remarks?.revision ?? 0 };
}

/** A note as the desk keeps it: no blanks around it, no control characters but line feeds. */
export const asKept = (note: string): string =>
  note
    .replace(/\r\n?/g, "\n")
    .replace(/[^\P{Cc}\n]/gu, "")
    .trim();

export const isSame = (a: Written, b: Written): boolean =>
  asKept(a.note) === asKept(b.note) && a.disposition === b.disposition;
