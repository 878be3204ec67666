// A call's journey with how long each stretch of it lasted.
import type { Bounce, JourneyStep, UserRef } from "../bindings";
import { journeyWords, type Mood, type Said } from "./words";

/** What the caller did between two steps. */
export interface Stretch {
  words: string;
  mood: Mood;
  ms: number;
}

export interface Stop {
  step: JourneyStep;
  said: Said & { note?: string };
  /** Until the next stop; `null` at the end, and where no second went by. */
  then: Stretch | null;
  /** The stop says already what the stretch is. */
  told: boolean;
}

/** The stops in order. Who alone had the call is the colleague who hung up. "Talking with Tom" says all that "Answered by Tom" right after it would. */
export function timeLine(steps: JourneyStep[], agents: UserRef[]): Stop[] {
  const stops = steps.filter((step, i) => {
    const before = steps[i - 1];
    return !(step.event === "answered" && before?.event === "transfer_done" && before.with.id === step.by.id);
  });
  let doing: Doing | null = null;
  return stops.map((step, i) => {
    doing = after(step, doing);
    const next = stops[i + 1];
    const ms = next ? next.at - step.at : 0;
    const hungUp = step.event === "ended" && step.because === "agent_gone" && agents.length === 1 ? agents[0] : undefined;
    return { step, said: hungUp ? { words: `Ended: ${hungUp.name} hung up`, mood: "quiet" } : journeyWords(step), then: doing && ms >= 1000 ? { ...doing, ms } : null, told: tells.has(step.event) };
  });
}

/** How long the caller talked with each, waited, and was on hold; in the order in which it began. */
export function sums(stops: Stop[]): Stretch[] {
  const all = new Map<string, Stretch>();
  for (const { then } of stops) {
    if (!then) continue;
    const sum = all.get(then.words) ?? { ...then, ms: 0 };
    all.set(then.words, { ...sum, ms: sum.ms + then.ms });
  }
  return [...all.values()];
}

/** Whom the transfers reached in vain, oldest first. */
export function bounces(steps: JourneyStep[]): Bounce[] {
  const found: Bounce[] = [];
  let since = 0;
  for (const step of steps) {
    if (step.event === "transfer_bounced") {
      found.push({ target: step.target, reason: step.reason, at: step.at, rang_ms: step.at - since });
    }
    if (step.event === "transfer_started" || step.event === "transfer_bounced" || step.event === "transfer_resumed") since = step.at;
  }
  return found;
}

const tells = new Set<JourneyStep["event"]>(["queued", "transfer_done", "transfer_done_outside"]);

type Doing = Omit<Stretch, "ms">;
const waits: Doing = { words: "Waited", mood: "ringing" };
const holds: Doing = { words: "On hold", mood: "held" };
const talks = (name: string): Doing => ({ words: `Talked with ${name}`, mood: "talking" });

/** What the caller does from this step on. */
function after(step: JourneyStep, before: Doing | null): Doing | null {
  switch (step.event) {
    case "arrived":
    case "queued":
    case "forwarded":
    case "rang":
      return before?.mood === "held" ? holds : waits;
    case "answered":
    case "resumed":
      return talks(step.by.name);
    case "held":
    case "transfer_started":
    case "transfer_bounced":
    case "transfer_resumed":
    case "recalled":
    case "consulted":
      return holds;
    case "transfer_done":
      return talks(step.with.name);
    case "transfer_done_outside":
      return talks(step.number);
    case "joined":
      return talks(step.with);
    case "voicemail_started":
      return { words: "At the mailbox", mood: "quiet" };
    case "announced":
      return { words: "Heard the announcement", mood: "quiet" };
    case "voicemail_left":
    case "ended":
      return null;
  }
}
