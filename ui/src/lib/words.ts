// The product's words for what the desk reports. One place, so that every screen calls a thing the same.
import type {
  AuditEntry, Bounce, CallOutcome, CallState, Direction, Ineligible, JourneyEvent, LinkState, LiveCall, Party, Presence,
  Reason, Role, TargetRef, TransferKind, TransferProgress, UserRef,
} from "../bindings";

/** Which colour and icon go with a word. */
export type Mood = "ringing" | "talking" | "held" | "moving" | "quiet" | "bad";

export interface Said {
  words: string;
  mood: Mood;
}

export const presenceWords: Record<Presence, string> = {
  available: "Available",
  away: "Away",
  do_not_disturb: "Do not disturb",
};

export const roleWords: Record<Role, string> = { administrator: "Administrator", manager: "Manager", agent: "Agent" };

export const directionWords: Record<Direction, string> = {
  inbound: "Inbound",
  outbound: "Outbound",
  internal: "Internal",
};

export const outcomeWords: Record<CallOutcome, string> = {
  answered: "Answered",
  missed: "Missed",
  voicemail: "Voicemail",
  announced: "Announced",
  failed: "Failed",
};

export const reasonWords: Record<Reason, string> = {
  no_answer: "no answer",
  busy: "busy",
  declined: "declined",
  unreachable: "not reachable",
  failed: "the call could not be set up",
  nobody_free: "nobody free",
  caller_gone: "the caller hung up",
  agent_gone: "the colleague hung up",
  outside_gone: "the party outside hung up",
  hung_up_at_once: "hung up at once",
  cancelled: "cancelled",
  answered_elsewhere: "answered elsewhere",
  shutdown: "the exchange was stopped",
  do_not_disturb: "do not disturb",
  away: "away",
  sent_to_voicemail: "sent to voicemail",
  joined: "joined with another call",
  exchange_failed: "the exchange failed",
  app_stopped: "ended when the app stopped",
};

export const ineligibleWords: Record<Ineligible["code"], string> = {
  other_department: "Other department",
  away: "Away",
  do_not_disturb: "Do not disturb",
  disabled: "Disabled",
  no_device: "No phone signed in",
  on_call: "On a call",
  in_this_call: "Already in this call",
  nobody_there: "Nobody signed in",
  unknown: "Not in this account",
  not_a_number: "Not a telephone number",
  no_trunk: "No line to the outside",
};

export const auditActionWords: Record<AuditEntry["action"], string> = {
  transfer: "Transfer",
  cancel_transfer: "Take back the transfer",
  consult: "Consult",
  complete_transfer: "Complete the transfer",
  swap_transfer: "Swap",
  set_remarks: "Note and disposition",
  recover: "Close after a failure of the exchange",
  set_presence: "Presence",
  sign_in: "Sign in",
  sign_out: "Sign out",
};

export const auditOutcomeWords: Record<AuditEntry["outcome"], string> = {
  accepted: "Accepted",
  refused: "Refused",
  completed: "Completed",
  fell_back: "Fell back",
};

/** "rang Ravi 20 s, then Tom was busy": whom the call reached in vain, oldest first. */
export const chainWords = (bounces: Bounce[]): string => bounces.map(bounceWords).join(", then ");

function bounceWords({ target, reason, rang_ms }: Bounce): string {
  const who = shortName(target);
  switch (reason) {
    case "no_answer":
      return `rang ${who} ${Math.max(1, Math.round(rang_ms / 1000))}\u00a0s`;
    case "busy":
      return `${who} was busy`;
    case "declined":
      return `${who} declined`;
    case "unreachable":
      return `${who} was not reachable`;
    case "do_not_disturb":
      return `${who} did not want to be disturbed`;
    case "away":
      return `${who} was away`;
    case "nobody_free":
      return `nobody was free in ${who}`;
    case "cancelled":
      return `taken back from ${who}`;
    case "agent_gone":
    case "outside_gone":
      return `${who} hung up`;
    case "hung_up_at_once":
      return `${who} hung up at once`;
    case "failed":
    case "caller_gone":
    case "answered_elsewhere":
    case "sent_to_voicemail":
    case "shutdown":
    case "joined":
    case "exchange_failed":
    case "app_stopped":
      return `${who}: ${reasonWords[reason]}`;
  }
}

export const partyName = (party: Party): string => party.name || party.number || "Number withheld";

export const targetName = (target: TargetRef): string => (target.kind === "outside" ? target.number : target.name);

/** How a person or department is called in few words; a number stays whole. */
const shortName = (target: TargetRef): string => (target.kind === "user" ? firstName(target.name) : targetName(target));

export const firstName = (name: string): string => name.split(/\s+/)[0] || name;

function people(users: UserRef[]): string {
  const [first, second, ...others] = users.map((user) => (users.length > 1 ? firstName(user.name) : user.name));
  if (!first) return "";
  if (!second) return first;
  return others.length > 0 ? `${first}, ${second} +${others.length}` : `${first} and ${second}`;
}

/** The state of a live call in a few words. `moved`: it came where it is by a transfer. */
export function stateWords(call: LiveCall, moved: boolean): Said {
  const state: CallState = call.state;
  const transfer = call.transfer;
  switch (state.kind) {
    case "ringing":
      return { words: state.towards.length > 0 ? `Ringing ${people(state.towards)}` : "Ringing", mood: "ringing" };
    case "talking":
      return { words: swapped(transfer) ?? (moved ? `Talking with ${state.with.name}` : "Talking"), mood: "talking" };
    case "talking_outside":
      return { words: `With ${partyName(state.with)}, outside`, mood: "talking" };
    case "held":
      return { words: "On hold", mood: "held" };
    case "transferring":
      return transfer ? stageWords(transfer) : { words: "On hold", mood: "held" };
    case "queued":
      return { words: `Waiting, number ${state.position}`, mood: "ringing" };
    case "voicemail":
      return { words: "Leaving a voicemail", mood: "quiet" };
    case "closing":
      return { words: "Hearing the closing announcement", mood: "quiet" };
  }
}

/** While the transferor speaks with the caller again, the colleague waits. */
function swapped(transfer: TransferProgress | null): string | null {
  if (transfer?.stage.kind !== "swapped") return null;
  return `Talking with ${firstName(transfer.by.name)}, ${shortName(transfer.stage.with)} waits`;
}

function stageWords({ stage, target, by }: TransferProgress): Said {
  const to = shortName(target);
  switch (stage.kind) {
    case "holding":
      return { words: `On hold → ${targetName(target)}`, mood: "moving" };
    case "ringing":
      return { words: `On hold → ${target.kind === "outside" ? "dialling" : "ringing"} ${targetName(target)}`, mood: "moving" };
    case "recalling":
      return { words: `${to}: ${reasonWords[stage.because]} → back to ${firstName(stage.towards.name)}`, mood: "ringing" };
    case "next_agent":
      return { words: `${to}: ${reasonWords[stage.because]} → ringing ${people(stage.towards)}`, mood: "ringing" };
    case "queued":
      return { words: `On hold → waiting for ${stage.department.name}${stage.position ? `, number ${stage.position}` : ""}`, mood: "ringing" };
    case "voicemail":
      return { words: stage.because === "sent_to_voicemail" ? `→ voicemail of ${targetName(target)}` : `${to}: ${reasonWords[stage.because]} → voicemail`, mood: "quiet" };
    case "consult_ringing":
      return { words: `${firstName(by.name)} rings ${to} to consult`, mood: "held" };
    case "consulting":
      return { words: `${firstName(by.name)} consults ${shortName(stage.with)}`, mood: "held" };
    case "swapped":
      return { words: swapped({ stage, target, by } as TransferProgress) ?? "", mood: "talking" };
  }
}

const startedWords: Record<TransferKind, string> = {
  blind: "transferred to",
  consult: "asked first, for a transfer to",
  voicemail: "sent to the voicemail of",
};

/** One step of a call's journey as a sentence. */
export function journeyWords(event: JourneyEvent): Said & { note?: string } {
  switch (event.event) {
    case "arrived":
      return { words: `Called ${event.dialled}`, mood: "quiet" };
    case "queued":
      return { words: `Waited in ${event.department.name}`, mood: "ringing" };
    case "forwarded":
      return { words: `Forwarded from ${event.from}${event.because ? `: ${reasonWords[event.because]}` : ""}`, mood: "moving" };
    case "rang":
      return { words: `Rang ${people(event.users)}`, mood: "ringing" };
    case "answered":
      return { words: `Answered by ${event.by.name}`, mood: "talking" };
    case "held":
      return { words: `Put on hold by ${event.by.name}`, mood: "held" };
    case "resumed":
      return { words: `Taken off hold by ${event.by.name}`, mood: "talking" };
    case "transfer_started": {
      const words = `${event.by.name} ${startedWords[event.kind ?? "blind"]} ${targetName(event.to)}`;
      return { words, mood: "moving", ...(event.note ? { note: event.note } : {}) };
    }
    case "transfer_bounced":
      return { words: `${targetName(event.target)}: ${reasonWords[event.reason]}`, mood: "bad" };
    case "recalled":
      return { words: `Came back to ${event.user.name}`, mood: "ringing" };
    case "transfer_done":
      return { words: `Talking with ${event.with.name}`, mood: "talking" };
    case "transfer_done_outside":
      return { words: `Talking with ${event.number}, outside`, mood: "talking" };
    case "transfer_resumed":
      return { words: `The transfer to ${targetName(event.target)} by ${event.by.name} went on`, mood: "moving" };
    case "consulted":
      return { words: `Waited on hold while ${targetName(event.with)} was consulted`, mood: "held" };
    case "joined":
      return { words: `Joined with ${event.with}`, mood: "moving" };
    case "voicemail_started":
      return { words: `Reached the voicemail of ${event.mailbox}`, mood: "quiet" };
    case "voicemail_left":
      return { words: `Left a voicemail of ${Math.round(event.duration_ms / 1000)} s for ${event.mailbox}`, mood: "quiet" };
    case "announced":
      return { words: "Heard the closing announcement", mood: "quiet" };
    case "ended":
      return { words: `Ended: ${reasonWords[event.because]}`, mood: "quiet" };
  }
}

/** A line to the exchange in words; `up` is what that line is called when it works. */
export function linkWords(state: LinkState, up: string): Said {
  switch (state.kind) {
    case "off":
      return { words: "off", mood: "quiet" };
    case "connecting":
      return { words: "connecting", mood: "ringing" };
    case "up":
      return { words: up, mood: "talking" };
    case "down":
      return { words: "not connected", mood: "bad" };
  }
}
