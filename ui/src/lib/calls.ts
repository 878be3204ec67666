// What a key or a button does to calls: worked out from the view, carried out by the desk.
import type { LiveCall, LiveRow, PhoneCall, TransferRight, View } from "../bindings";
import { ask } from "./view.svelte";

/** The call the person is in: the one they talk in, or else the first. */
export function currentCall(view: View): PhoneCall | null {
  const calls = view.phone.calls.filter((call) => call.state !== "ending");
  return calls.find((call) => call.state === "talking" && !call.held) ?? calls[0] ?? null;
}

/** Why a transfer is not possible now, as a sentence; `null` if it is. */
export const refusal = (right: TransferRight | null): string | null =>
  right === null
    ? "The exchange has not confirmed this call yet."
    : right.right === "allowed"
      ? null
      : right.sentence;

/** Whether a transfer that still rings can be taken back. */
export function canCancel(call: LiveCall): boolean {
  const stage = call.transfer?.stage.kind;
  return stage === "holding" || stage === "ringing";
}

export function openTransfer(row: LiveRow): void {
  if (row.transfer_right.right === "allowed") ask({ kind: "open_transfer", call: row.call.id });
}

export function cancelTransfer(call: LiveCall): void {
  if (call.transfer && canCancel(call)) ask({ kind: "cancel_transfer", transfer: call.transfer.id });
}

/** The person's own newest transfer that can still be taken back. */
export function undoable(view: View): LiveCall | null {
  if (view.session.kind !== "signed_in") return null;
  const me = view.session.me.id;
  const mine = view.live.calls.map((row) => row.call).filter((call) => call.transfer?.by.id === me && canCancel(call));
  return mine.sort((a, b) => (b.transfer?.since ?? 0) - (a.transfer?.since ?? 0))[0] ?? null;
}
