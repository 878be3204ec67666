// Moments and lengths in words. One clock for the whole window, so that all durations step together.

const DAY = 86_400_000;
let now = $state(Date.now());
setInterval(() => (now = Date.now()), 1000);

/** Milliseconds since the epoch, refreshed every second. */
export const clock = {
  get now() {
    return now;
  },
};

const hourMinute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const hourMinuteSecond = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium", hourCycle: "h23" });

/** `14:02` */
export const atTime = (at: number): string => hourMinute.format(at);
/** `14:02:31` */
export const atSecond = (at: number): string => hourMinuteSecond.format(at);
export const atLength = (at: number): string => full.format(at);

/** Today `14:02`, this week `Tue 14:02`, before that `3 Nov 14:02`. */
export function atMoment(at: number): string {
  const today = midnight(now);
  if (at >= today) return atTime(at);
  const day = at > today - 6 * DAY ? weekday : dayMonth;
  return `${day.format(at)} ${atTime(at)}`;
}

const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** `4 Mar 2026` */
export const atDate = (at: number): string => shortDate.format(at);

/** Today `12 min. ago`; before that like `atMoment`, from last year on with the year. */
export function atRelative(at: number): string {
  const today = midnight(now);
  const newYear = new Date(new Date(now).getFullYear(), 0, 1).getTime();
  if (at < Math.min(newYear, today - 6 * DAY)) return atDate(at);
  if (at < today) return atMoment(at);
  const minutes = Math.max(0, Math.round((now - at) / 60_000));
  return minutes < 60 ? ago.format(-minutes, "minute") : ago.format(-Math.floor(minutes / 60), "hour");
}

/** The beginning of the local day of `at`, or of the day so many days later; a day is not always 24 hours long. */
export function midnight(at: number, days = 0): number {
  const day = new Date(at);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime();
}

/** `0:07`, `12:40`, `1:02:09`; never negative, even if two clocks disagree. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
