// Where a search found what was typed. Marks count code points, as `Array.from` does.
import type { Field, Mark } from "../bindings";

export interface Piece {
  text: string;
  hit: boolean;
}

/** `text` cut where the marks of `field` begin and end. */
export function pieces(text: string, marks: Mark[], field: Field, item = 0): Piece[] {
  const mine = marks.filter((mark) => mark.field === field && mark.item === item);
  if (mine.length === 0) return [{ text, hit: false }];
  const characters = Array.from(text);
  const cut: Piece[] = [];
  let done = 0;
  const put = (to: number, hit: boolean) => {
    if (to > done) cut.push({ text: characters.slice(done, to).join(""), hit });
    done = Math.max(done, to);
  };
  for (const { from, to } of mine) {
    put(from, false);
    put(Math.min(to, characters.length), true);
  }
  put(characters.length, false);
  return cut;
}

export const isMarked = (marks: Mark[], field: Field): boolean => marks.some((mark) => mark.field === field);
