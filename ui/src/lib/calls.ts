// What a key or a button does to calls: worked out from the view, carried out by the desk.
import type { LiveCall, LiveRow, PhoneCall, TransferRight, View } from "../bindings";
import { ask, shown } from "./view.svelte";

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

/** Nobody has answered it yet: moving it is a divert. */
export const diverts = (call: LiveCall | null): boolean =>
  call !== null && call.transfer === null && (call.state.kind === "ringing" || call.state.kind === "queued");

export function openTransfer(row: LiveRow): void {
  if (row.transfer_right.right === "allowed") ask({ kind: "open_transfer", call: row.call.id });
}

/** Asked here, and not answered by the exchange yet. */
export const pending = (transfer: string | undefined): boolean =>
  transfer !== undefined && (shown.view?.asking.includes(transfer) ?? false);

export function takeBack(row: LiveRow): void {
  if (row.call.transfer && row.undo_right?.right === "allowed") {
    ask({ kind: "cancel_transfer", transfer: row.call.transfer.id });
  }
}

/** The person in calls of plain accounts. */
export const OWN = "own";

/** The person's own newest transfer that can still be taken back. */
export function undoable(view: View): LiveRow | null {
  const me = view.session.kind === "signed_in" ? view.session.me.id : OWN;
  const mine = view.live.calls.filter(
    ({ call, undo_right }) => (call.transfer?.by.id === me || call.transfer?.by.id === OWN) && undo_right?.right === "allowed",
  );
  return mine.sort((a, b) => (b.call.transfer?.since ?? 0) - (a.call.transfer?.since ?? 0))[0] ?? null;
}
