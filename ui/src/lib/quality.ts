import { QUALITY_STEPS, type SoundTrouble } from "../bindings";
import type { Mood } from "./words";

interface Sound {
  word: "good" | "fair" | "poor" | "bad";
  mood: Mood;
}

const [, poor, fair, good] = QUALITY_STEPS;

/** Borders of ITU-T G.107 annex B: satisfied, some dissatisfied, many dissatisfied. */
export function soundWords(score: number): Sound {
  if (score >= good) return { word: "good", mood: "talking" };
  if (score >= fair) return { word: "fair", mood: "quiet" };
  if (score >= poor) return { word: "poor", mood: "ringing" };
  return { word: "bad", mood: "bad" };
}

/** Bad enough to be marked in the list. */
export const isPoor = (score: number | null): score is number => score !== null && score < fair;

/** What spoilt the sound of a leg the most, as measured at the phone system. */
export function soundTrouble({ cause, way }: SoundTrouble, party: string): string {
  const where = {
    to: `on the way to ${party}`,
    from: `on the way from ${party}`,
    both: `on both ways between the phone system and ${party}`,
    before: "before it came to the phone system, from the other side",
  }[way];
  switch (cause.kind) {
    case "loss":
      return `${cause.percent} % lost ${where}`;
    case "late":
      return `Packets late ${where}`;
    case "slow":
      return `Slow network to ${party}: ${cause.round_trip_ms} ms round trip`;
  }
}
