// Moments and lengths in words. One clock for the whole window, so that all durations step together.

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
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight) return atTime(at);
  const day = at > midnight - 6 * 86_400_000 ? weekday : dayMonth;
  return `${day.format(at)} ${atTime(at)}`;
}

/** `0:07`, `12:40`, `1:02:09`; never negative, even if two clocks disagree. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
