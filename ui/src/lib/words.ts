// The product's words for what the desk reports. One place, so that every screen calls a thing the same.
import type {
  AuditEntry, CallOutcome, CallState, Direction, Ineligible, JourneyEvent, LinkState, LiveCall, Party, Presence,
  Reason, Role, TargetRef, TransferStage, UserRef,
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
  announced: "Announcement",
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
  cancelled: "cancelled",
  answered_elsewhere: "answered elsewhere",
  shutdown: "the exchange was stopped",
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
};

export const auditActionWords: Record<AuditEntry["action"], string> = {
  transfer: "Transfer",
  cancel_transfer: "Cancel transfer",
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

export const partyName = (party: Party): string => party.name || party.number || "Number withheld";

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
  switch (state.kind) {
    case "ringing":
      return { words: state.towards.length > 0 ? `Ringing ${people(state.towards)}` : "Ringing", mood: "ringing" };
    case "talking":
      return { words: moved ? `Talking with ${state.with.name}` : "Talking", mood: "talking" };
    case "held":
      return { words: "On hold", mood: "held" };
    case "transferring":
      return call.transfer ? stageWords(call.transfer.stage, call.transfer.target) : { words: "On hold", mood: "held" };
    case "queued":
      return { words: `Waiting, number ${state.position}`, mood: "ringing" };
    case "voicemail":
      return { words: "Leaving a voicemail", mood: "quiet" };
    case "closing":
      return { words: "Hearing the closing announcement", mood: "quiet" };
  }
}

function stageWords(stage: TransferStage, target: TargetRef): Said {
  const to = firstName(target.name);
  switch (stage.kind) {
    case "holding":
      return { words: `On hold → ${target.name}`, mood: "moving" };
    case "ringing":
      return { words: `On hold → ringing ${target.name}`, mood: "moving" };
    case "recalling":
      return { words: `${to}: ${reasonWords[stage.because]} → back to ${firstName(stage.towards.name)}`, mood: "ringing" };
    case "next_agent":
      return { words: `${to}: ${reasonWords[stage.because]} → ringing ${people(stage.towards)}`, mood: "ringing" };
    case "queued":
      return { words: `On hold → waiting for ${stage.department.name}`, mood: "ringing" };
    case "voicemail":
      return { words: `${to}: ${reasonWords[stage.because]} → voicemail`, mood: "quiet" };
  }
}

/** One step of a call's journey as a sentence. */
export function journeyWords(event: JourneyEvent): Said & { note?: string } {
  switch (event.event) {
    case "arrived":
      return { words: `Called ${event.dialled}`, mood: "quiet" };
    case "queued":
      return { words: `Waited in ${event.department.name}`, mood: "ringing" };
    case "rang":
      return { words: `Rang ${people(event.users)}`, mood: "ringing" };
    case "answered":
      return { words: `Answered by ${event.by.name}`, mood: "talking" };
    case "held":
      return { words: `Put on hold by ${event.by.name}`, mood: "held" };
    case "resumed":
      return { words: `Taken off hold by ${event.by.name}`, mood: "talking" };
    case "transfer_started": {
      const words = `${event.by.name} transferred to ${event.to.name}`;
      return { words, mood: "moving", ...(event.note ? { note: event.note } : {}) };
    }
    case "transfer_bounced":
      return { words: `${event.target.name}: ${reasonWords[event.reason]}`, mood: "bad" };
    case "recalled":
      return { words: `Came back to ${event.user.name}`, mood: "ringing" };
    case "transfer_done":
      return { words: `Talking with ${event.with.name}`, mood: "talking" };
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
