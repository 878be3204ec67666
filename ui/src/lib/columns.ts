// The columns of the call list: which are chosen, how wide, and which of them fit.
import type { Column } from "../bindings";

export const columns = [
  { id: "time", name: "Time", width: 5.75, always: true },
  { id: "caller", name: "Caller", width: 8, always: true },
  { id: "direction", name: "Direction", width: 5.75 },
  { id: "outcome", name: "Outcome", width: 6.5 },
  { id: "answered_by", name: "Answered by", width: 7.5 },
  { id: "department", name: "Department", width: 5.5 },
  { id: "dialled", name: "Called number", width: 8.5 },
  { id: "disposition", name: "Disposition", width: 7 },
  { id: "waited", name: "Waited", width: 4 },
  { id: "duration", name: "Duration", width: 3.75 },
  { id: "marks", name: "Marks", width: 5, always: true },
] as const satisfies readonly { id: string; name: string; width: number; always?: boolean }[];

export type ColumnId = (typeof columns)[number]["id"];

/** As the person has it; kept. */
export interface ColumnPrefs {
  hidden: ColumnId[];
  /** In rem, where it is not as it comes. */
  widths: Partial<Record<ColumnId, number>>;
}

export const asComes: ColumnPrefs = { hidden: ["dialled", "disposition", "waited"], widths: {} };
export const MIN_WIDTH = 3.5;
export const MAX_WIDTH = 24;
export const WIDTH_STEP = 1;

export const widthOf = (id: ColumnId, prefs: ColumnPrefs): number =>
  prefs.widths[id] ?? columns.find((column) => column.id === id)?.width ?? MIN_WIDTH;

export const clamped = (width: number): number => Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, Math.round(width * 4) / 4));

/** The caller has what the others leave; so there is nothing to set. */
export const isResizable = (id: ColumnId): boolean => id !== "caller" && id !== "marks";

/** Who goes first where there is little room. */
const goes: ColumnId[] = ["waited", "dialled", "disposition", "direction", "department", "answered_by", "duration", "outcome"];
/** In rem: for the row's menu, both edges, and between two columns. */
const MENU = 1.75;

/** The columns that are shown in so many rem. */
export function fitting(prefs: ColumnPrefs, room: number, edge: number, gap: number): ColumnId[] {
  let shown: ColumnId[] = columns.map(({ id }) => id).filter((id) => !prefs.hidden.includes(id));
  const needed = () => shown.reduce((sum, id) => sum + gap + widthOf(id, prefs), MENU + 2 * edge);
  for (const id of goes) {
    if (needed() <= room) break;
    shown = shown.filter((each) => each !== id);
  }
  return shown;
}

export const template = (shown: ColumnId[], prefs: ColumnPrefs): string =>
  [...shown.map((id) => track(id, widthOf(id, prefs), id in prefs.widths)), `${MENU}rem`].join(" ");

function track(id: ColumnId, width: number, set: boolean): string {
  if (id === "caller") return "minmax(0, 4fr)";
  if (!set && (id === "answered_by" || id === "department")) return `minmax(${width}rem, 1fr)`;
  return `${width}rem`;
}

/** What was kept, as far as it makes sense; nothing, at first. */
export function readColumns(kept: Column[]): ColumnPrefs {
  const known = columns.map((column) => ({ column, as: kept.find(({ id }) => id === column.id) }));
  const isHidden = ({ column, as }: (typeof known)[number]) => !("always" in column) && (as ? !as.shown : asComes.hidden.includes(column.id));
  const given = known.flatMap(({ column, as }) => (as?.width == null ? [] : [[column.id, clamped(as.width / 100)] as const]));
  return { hidden: known.filter(isHidden).map(({ column }) => column.id), widths: Object.fromEntries(given) };
}

/** As it is kept. */
export const writtenColumns = ({ hidden, widths }: ColumnPrefs): Column[] =>
  columns.map(({ id }) => {
    const width = widths[id];
    return { id, shown: !hidden.includes(id), width: width === undefined ? null : Math.round(width * 100) };
  });
