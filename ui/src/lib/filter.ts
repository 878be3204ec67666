// What a person asks of the past calls, in words and in steps.
import { QUALITY_STEPS, type CallOutcome, type Counts, type Directory, type Direction, type Filter, type Range, type Timestamp } from "../bindings";
import { atDate, lasting } from "./time.svelte";
import { directionWords, outcomeWords } from "./words";

/** The whole of a filter: nothing left out. */
export type Wanted = Required<Filter>;

export const all: Wanted = {
  text: "", range: null, from: null, until: null, directions: [], outcomes: [], answered_by: [], departments: [], transferred: false,
  came_back: false, voicemail: "any", talk_at_least_ms: null, talk_below_ms: null, quality_below: null, dispositions: [],
};

export const whole = (filter: Filter): Wanted => ({ ...all, ...filter });

export const isSame = (a: Filter, b: Filter): boolean =>
  (Object.keys(all) as (keyof Wanted)[]).every((key) => JSON.stringify(whole(a)[key]) === JSON.stringify(whole(b)[key]));

type Lists = "directions" | "outcomes" | "answered_by" | "departments" | "dispositions";

/** With `value` in the list if it was not, without it if it was. */
export function toggled<K extends Lists>(filter: Wanted, key: K, value: Wanted[K][number]): Wanted {
  const list = filter[key] as string[];
  return { ...filter, [key]: list.includes(value) ? list.filter((each) => each !== value) : [...list, value] };
}

export const ranges: Record<Range, string> = {
  today: "Today", yesterday: "Yesterday", last_seven_days: "Last 7 days", this_month: "This month",
};
export const anyDay = { range: null, from: null, until: null } as const;

/** For a date field: `2026-03-04`, in local days. */
export function dayOf(at: Timestamp | null): string {
  if (at === null) return "";
  const two = (n: number) => String(n).padStart(2, "0");
  const day = new Date(at);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The beginning of a day that a date field holds, or of the day after it. */
export function beginOf(day: string, later = 0): Timestamp | null {
  const [year, month, date] = day.split("-").map(Number);
  if (!year || !month || !date || year < 1970) return null;
  return new Date(year, month - 1, date + later).getTime();
}

function datesWords(filter: Wanted): string {
  if (filter.range) return ranges[filter.range];
  const first = filter.from === null ? null : atDate(filter.from);
  const last = filter.until === null ? null : atDate(filter.until - 1);
  if (first !== null && first === last) return first;
  return last === null ? `Since ${first}` : first === null ? `Until ${last}` : `${first} to ${last}`;
}

const talkWords = (ms: number): string => `${lasting(ms)} or longer`;
/** For each of the steps. */
const qualityWords = ["Hardly to be understood", "Bad", "Poor or bad", "Less than good"];
export const belowWords = (score: number): string => qualityWords[(QUALITY_STEPS as readonly number[]).indexOf(score)] ?? `Scored below ${(score / 100).toFixed(2)}`;

/** A condition that is set, and the filter without it. */
export interface Condition {
  id: string;
  words: string;
  without: Wanted;
}

/** What the list shows only, in words; not the text, which stands in the search field. */
export function conditions(filter: Wanted, directory: Directory, counts: Counts | null): Condition[] {
  const set: Condition[] = [];
  const each = <K extends Lists>(key: K, words: (value: Wanted[K][number]) => string) => {
    for (const value of filter[key]) set.push({ id: `${key}-${value}`, words: words(value), without: toggled(filter, key, value) });
  };
  const one = (id: keyof Wanted, words: string | false | null | undefined) => {
    if (words) set.push({ id, words, without: { ...filter, [id]: all[id] } });
  };
  if (filter.range || filter.from !== null || filter.until !== null) {
    set.push({ id: "dates", words: datesWords(filter), without: { ...filter, ...anyDay } });
  }
  each("directions", (value: Direction) => directionWords[value]);
  each("outcomes", (value: CallOutcome) => outcomeWords[value]);
  each("answered_by", (id) => `Answered by ${personName(id, directory, counts)}`);
  each("departments", (id) => departmentName(id, directory, counts));
  one("transferred", filter.transferred && "Transferred");
  one("came_back", filter.came_back && "Came back");
  one("voicemail", { any: null, left: "With a message", unheard: "Message not heard" }[filter.voicemail]);
  one("talk_at_least_ms", filter.talk_at_least_ms !== null && talkWords(filter.talk_at_least_ms));
  one("talk_below_ms", filter.talk_below_ms !== null && `Shorter than ${lasting(filter.talk_below_ms)}`);
  one("quality_below", filter.quality_below !== null && `Sound: ${belowWords(filter.quality_below).toLowerCase()}`);
  each("dispositions", (id) => dispositionName(id, directory));
  return set;
}

// Someone who has left the account is still on old calls: the counts name them then.
const personName = (id: string, directory: Directory, counts: Counts | null): string =>
  (directory.users.find((user) => user.id === id) ?? counts?.answered_by.find(({ value }) => value.id === id)?.value)?.name ?? id;
const departmentName = (id: string, directory: Directory, counts: Counts | null): string =>
  (directory.departments.find((each) => each.id === id) ?? counts?.departments.find(({ value }) => value.id === id)?.value)?.name ?? id;

/** One that is not configured any more is called by its id. */
export const dispositionName = (id: string, directory: Directory): string =>
  directory.dispositions?.find((each) => each.id === id)?.name ?? id;
