// Notes that are being written. A draft lives until it is saved or given up, whatever arrives or is opened meanwhile.
import { SvelteMap } from "svelte/reactivity";
import type { CallId, CallRecord, DispositionId, Unsent, UserId } from "../bindings";

export const MAX_NOTE = 2_000;

export interface Written {
  note: string;
  disposition: DispositionId | null;
}

export interface Draft extends Written {
  /** The revision that the person saw when they began. */
  base: number;
}

const drafts = new SvelteMap<string, Draft>();

// Each user of this machine has their own.
const key = (me: UserId, call: CallId) => `${me} ${call}`;

export const draftOf = (me: UserId, call: CallId): Draft | undefined => drafts.get(key(me, call));
export const giveUp = (me: UserId, call: CallId): boolean => drafts.delete(key(me, call));
export const draft = (me: UserId, call: CallId, what: Draft): unknown => drafts.set(key(me, call), what);

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
