import { QUALITY_STEPS } from "../bindings";
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
