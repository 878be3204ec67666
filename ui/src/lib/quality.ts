import type { Mood } from "./words";

interface Sound {
  word: "good" | "fair" | "poor" | "bad";
  mood: Mood;
}

/** Borders of ITU-T G.107 annex B: satisfied, some dissatisfied, many dissatisfied. */
export function soundWords(score: number): Sound {
  if (score >= 403) return { word: "good", mood: "talking" };
  if (score >= 360) return { word: "fair", mood: "quiet" };
  if (score >= 310) return { word: "poor", mood: "ringing" };
  return { word: "bad", mood: "bad" };
}

/** Bad enough to be marked in the list. */
export const isPoor = (score: number | null): score is number => score !== null && score < 360;
