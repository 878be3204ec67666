// What would happen if a way of moving the call were chosen now, or why it can't be: one sentence each.
import type { DialogBody, Ineligible, LiveCall, TransferKind, TransferTarget } from "../bindings";
import { diverts, refusal } from "./calls";
import { firstName, ineligibleWords } from "./words";

export interface Way {
  kind: TransferKind;
  /** Why not, or `null`. */
  refused: string | null;
  /** What will happen. */
  line: string;
}

type Ready = Extract<DialogBody, { kind: "ready" }>;

/** These keep nobody's mailbox from taking a message. */
const hasMailbox = new Set<Ineligible["code"]>(["away", "do_not_disturb", "no_device", "on_call", "nobody_there", "in_this_call"]);

/** A number and its unit stay on one line. */
const unbroken = (line: string): string => line.replace(/(\d) s\b/g, "$1\u00a0s");

/** The three ways to `target`, in the order of the buttons. */
export function ways(body: Ready, target: TransferTarget, caller: string, call: LiveCall | null): [Way, Way, Way] {
  return [blind(target), consult(body, target, caller, call), voicemail(target, caller)];
}

function blind(target: TransferTarget): Way {
  return { kind: "blind", refused: greyed(target), line: unbroken(target.forecast_line) };
}

function consult(body: Ready, target: TransferTarget, caller: string, call: LiveCall | null): Way {
  const refused = diverts(call)
    ? "You can speak with a colleague first once you have answered the call."
    : (refusal(body.consult) ?? greyed(target));
  const { kind, id } = target.target;
  const who = kind === "user" ? firstName(target.name) : kind === "outside" ? id : target.name;
  const line = `You speak with ${who} first. ${caller} hears music, and is back with you if nobody answers.`;
  return { kind: "consult", refused, line };
}

function voicemail(target: TransferTarget, caller: string): Way {
  const code = target.ineligible?.code;
  const refused =
    target.target.kind === "outside"
      ? "An outside number has no mailbox here."
      : code && !hasMailbox.has(code)
        ? greyed(target)
        : null;
  return { kind: "voicemail", refused, line: `${caller} goes straight to the voicemail of ${target.name}.` };
}

function greyed({ name, ineligible }: TransferTarget): string | null {
  if (!ineligible) return null;
  return `${name} can't take this call: ${ineligibleWords[ineligible.code].toLowerCase()}. Choose someone else.`;
}
