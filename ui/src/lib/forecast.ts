// What the exchange says of each way to move the call: what would happen, or why it can't be.
import type { TransferKind, TransferTarget, TypedNumber } from "../bindings";

export interface Way {
  kind: TransferKind;
  /** Why not, or `null`. */
  refused: string | null;
  /** What will happen. */
  line: string;
}

const kinds: TransferKind[] = ["blind", "consult", "voicemail"];

/** A number and its unit stay on one line. */
const unbroken = (line: string): string => line.replace(/(\d) s\b/g, "$1\u00a0s");

/** The three ways to `target`, in the order of the buttons. */
export const ways = (target: TransferTarget): Way[] =>
  kinds.map((kind) => {
    const way = target.ways?.find((each) => each.kind === kind);
    return { kind, refused: way?.refused ?? null, line: unbroken(way?.line ?? "") };
  });

/** The row of an outside number: the exchange's, or until it has answered one that says so. */
export function dialTarget(number: string, typed: TypedNumber | null): TransferTarget {
  const name = `Dial ${number}`;
  const answer = typed?.number === number ? typed.answer : null;
  if (answer?.kind === "ready") return { ...answer.target, name };
  const line = answer?.kind === "failed" ? answer.sentence : "Asking what would happen…";
  return {
    target: { kind: "outside", id: number },
    name,
    extension: "",
    departments: [],
    presence: null,
    ineligible: null,
    forecast: [],
    forecast_line: line,
    ways: kinds.map((kind) => ({ kind, refused: null, line: kind === "blind" ? line : "" })),
  };
}
