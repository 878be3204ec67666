// The sample office as a desk would show it.
import { blank } from "../src/lib/accounts";
import type {
  AccountView, AccountsView, SipAccountSettings,
  CallRecord, CallState, ConsultStage, Counts, DetailsView, Draft, LiveRow, LogsHead, PhoneCall, PlayerView, RingView, Row, SummaryView,
  TransferDialog, TransferStage, TransferTarget, Unsent, User, UserRef, View,
} from "../src/bindings";

/** A fixed moment before now, so that durations are never negative. */
export const at = new Date("2026-03-04T14:02:00Z").getTime();
export const longName = "Maximiliana Featherstonehaugh-Wriothesley"; // 41 letters

const user = (id: string, name: string, extension: string, rest: Partial<User> = {}): User => ({
  id, name, extension, role: "agent", departments: ["support"], presence: "available", presence_since: at - 3_600_000,
  devices: 1, on_call: false, disabled: false, ...rest,
});
export const maya = user("maya", "Maya Lindqvist", "101", { role: "manager", departments: ["support", "billing"] });
export const ravi = user("ravi", "Ravi Kumar", "103");
export const mina = user("mina", "Mina Shah", "104", { on_call: true, departments: ["support", "billing"] });
export const lena = user("lena", "Lena Fischer", "106", { presence: "away", departments: ["billing"] });
export const omar = user("omar", "Omar Haddad", "107", { devices: 0 });
const users = [maya, ravi, mina, lena, omar];
const support = { id: "support", name: "Support" };
const billing = { id: "billing", name: "Billing" };
const ref = ({ id, name }: User): UserRef => ({ id, name });

export function live(id: string, name: string, state: CallState, rest: Partial<LiveRow["call"]> = {}): LiveRow {
  return {
    call: {
      id, revision: 3, direction: "inbound", caller: { name, number: "+919812345678" }, state,
      state_since: at + 1000, agent: ref(mina), department: support, started_at: at + Number(id.replace(/\D/g, "") || 0),
      answered_at: at + 1000, transfer: null, bounces: [], ...rest,
    },
    transfer_right: { right: "allowed" },
  };
}

export const talking = live("c1", "Priya Nair", { kind: "talking", with: ref(mina) });
export const transferring: LiveRow = {
  ...live("c1", "Priya Nair", { kind: "transferring" }, {
    revision: 5,
    transfer: {
      id: "t1", by: ref(maya), from: ref(mina), target: { kind: "user", ...ref(ravi) }, kind: "blind",
      stage: { kind: "ringing", towards: [ref(ravi)], until: at + 20_000 }, since: at + 5000, note: "Refund question",
    },
  }),
  transfer_right: { right: "refused", denied: { code: "already_transferring", by: ref(maya), to: "Ravi Kumar" },
    sentence: "Maya Lindqvist is already transferring this call to Ravi Kumar. Wait until that is settled." },
  undo_right: { right: "allowed" },
};
export const arrived = live("c1", "Priya Nair", { kind: "talking", with: ref(ravi) }, { revision: 6, agent: ref(ravi) });
export const recalled: LiveRow = live("c1", "Priya Nair", { kind: "transferring" }, {
  revision: 6,
  transfer: { ...transferring.call.transfer!, stage: { kind: "recalling", towards: ref(mina), until: at + 40_000, because: "no_answer" } },
});
/** Nobody of Billing is free. */
export const inLine: LiveRow = live("c1", "Priya Nair", { kind: "transferring" }, {
  revision: 7,
  transfer: { ...transferring.call.transfer!, target: { kind: "department", id: "billing", name: "Billing" },
    stage: { kind: "queued", department: { id: "billing", name: "Billing" }, position: 2, until: at + 60_000 } },
});
/** Rang Ravi, then Tom; now the next free agent. */
export const bouncing: LiveRow = {
  ...live("c6", "Priya Nair", { kind: "transferring" }, {
    transfer: { ...transferring.call.transfer!, id: "t6", stage: { kind: "next_agent", towards: [{ id: "zoe", name: "Zoë Martin" }], until: at + 60_000, because: "busy" } },
    bounces: [
      { target: { kind: "user", ...ref(ravi) }, reason: "no_answer", at: at + 20_000, rang_ms: 20_000 },
      { target: { kind: "user", id: "tom", name: "Tom Okafor" }, reason: "busy", at: at + 21_000, rang_ms: 0 },
    ],
  }),
  transfer_right: transferring.transfer_right, undo_right: { right: "allowed" },
};
/** Mina asks Ravi first; `stage` says how far that is. */
export const consulting = (stage: TransferStage): LiveRow => ({
  ...live("c1", "Priya Nair", stage.kind === "swapped" ? { kind: "talking", with: ref(maya) } : { kind: "transferring" }, {
    agent: ref(maya),
    transfer: { ...transferring.call.transfer!, id: "t7", by: ref(maya), from: ref(maya), kind: "consult", stage },
  }),
  transfer_right: transferring.transfer_right, undo_right: { right: "allowed" }, complete_right: { right: "allowed" },
});
export const outside: LiveRow = live("c7", "Wanda Kowalska", { kind: "talking_outside", with: { name: "", number: "+442079460812" } });
export const refused: LiveRow = {
  ...live("c2", "Wanda Kowalska", { kind: "talking", with: { id: "tom", name: "Tom Okafor" } }, {
    department: { id: "sales", name: "Sales" }, agent: { id: "tom", name: "Tom Okafor" },
  }),
  transfer_right: { right: "refused", denied: { code: "other_department" },
    sentence: "This call belongs to another department. Ask one of its managers to transfer it." },
};
export const ringing: LiveRow = {
  ...live("c3", "João Pereira", { kind: "ringing", towards: [ref(ravi), ref(mina)], until: at + 20_000 }, { agent: null }),
  transfer_right: { right: "refused", denied: { code: "not_answered_yet" },
    sentence: "Nobody has answered this call yet. Wait until somebody has." },
};
export const few: LiveRow[] = [
  talking, refused, ringing,
  live("c4", "", { kind: "held", by: ref(mina) }, { caller: { name: "", number: "+442079460812" } }),
  live("c5", "Otto Brandt", { kind: "queued", department: billing, position: 2, until: at + 60_000 }, { agent: null, department: billing }),
];
export const many = (count: number): LiveRow[] =>
  Array.from({ length: count }, (_, i) => ({ ...few[i % few.length]!, call: { ...few[i % few.length]!.call, id: `m${i}`, started_at: at + i } }));

function record(n: number, rest: Partial<CallRecord> = {}): CallRecord {
  const callers = [["Priya Nair", "+919812345678"], ["João Pereira", "+351912345678"], ["Wanda Kowalska", "+48601234567"], ["", "+442079460812"]] as const;
  const [name, number] = callers[n % callers.length]!;
  const started = at - n * 1_740_000;
  const missed = n % 5 === 3;
  return {
    id: `7f3a-${n}`, seq: 1000 - n, direction: n % 4 === 2 ? "outbound" : "inbound", caller: { name, number }, dialled: "+442079460200",
    department: n % 3 === 1 ? billing : support, agents: missed ? [] : [ref(n % 2 ? mina : ravi)], started_at: started,
    answered_at: missed ? null : started + 6000, ended_at: started + 6000 + (n * 47_000) % 900_000, outcome: missed ? "missed" : "answered",
    ended_because: "caller_gone", journey: [], audit: [], voicemail: null, ...rest,
  };
}

export const moved: CallRecord = record(0, {
  agents: [ref(mina), ref(ravi)],
  journey: [
    { at: at - 4000, event: "arrived", dialled: "+442079460200" },
    { at: at - 3000, event: "queued", department: support },
    { at: at - 2000, event: "rang", users: [ref(mina), ref(ravi)] },
    { at: at + 2000, event: "answered", by: ref(mina) },
    { at: at + 62_000, event: "transfer_started", transfer: "t1", by: ref(maya), from: ref(mina), to: { kind: "user", ...ref(ravi) }, kind: "blind", note: "Refund question" },
    { at: at + 82_000, event: "transfer_bounced", transfer: "t1", target: { kind: "user", ...ref(ravi) }, reason: "no_answer" },
    { at: at + 82_000, event: "recalled", transfer: "t1", user: ref(mina) },
    { at: at + 90_000, event: "transfer_done", transfer: "t1", with: ref(mina) },
    { at: at + 95_000, event: "transfer_started", transfer: "t2", by: ref(mina), from: ref(mina), to: { kind: "user", ...ref(lena) }, kind: "consult", note: null },
    { at: at + 99_000, event: "consulted", transfer: "t2", with: { kind: "user", ...ref(lena) } },
    { at: at + 110_000, event: "transfer_done_outside", transfer: "t3", number: "+442079460812" },
    { at: at + 120_000, event: "joined", call: "7f3a-1", with: "João Pereira" },
    { at: at + 180_000, event: "ended", because: "caller_gone" },
  ],
  audit: [
    { seq: 41, at: at + 60_000, user: "tom", user_name: "Tom Okafor", action: "transfer", call: "7f3a-0", target: "Lena Fischer", outcome: "refused", rule: "denied: not_your_call", hash: "a1".repeat(32) },
    { seq: 42, at: at + 62_000, user: "maya", user_name: "Maya Lindqvist", action: "transfer", call: "7f3a-0", target: "Ravi Kumar", outcome: "accepted", rule: "role manager, department support", hash: "b2".repeat(32) },
    { seq: 43, at: at + 82_000, user: "maya", user_name: "Maya Lindqvist", action: "transfer", call: "7f3a-0", target: "Ravi Kumar", outcome: "fell_back", rule: "no answer after 20 s", hash: "c3".repeat(32) },
    { seq: 44, at: at + 95_000, user: "mina", user_name: "Mina Shah", action: "consult", call: "7f3a-0", target: "Lena Fischer", outcome: "accepted", rule: "own call", hash: "d4".repeat(32) },
    { seq: 45, at: at + 99_000, user: "mina", user_name: "Mina Shah", action: "complete_transfer", call: "7f3a-0", target: "Lena Fischer", outcome: "accepted", rule: "who transferred", hash: "e5".repeat(32) },
  ],
});
/** The same call with everything that people and machines can put on it. */
export const full: CallRecord = {
  ...moved, agents: [ref(mina), ref(ravi)],
  voicemail: { mailbox: "Support", duration_ms: 42_000, heard: null },
  remarks: { revision: 2, note: "Refund of order 4411 promised for Friday.", disposition: "call_back", by: ref(ravi), at: at + 200_000 },
  quality: [
    { party: "Priya Nair", user: null, codec: "opus", score: 418, lost_permille: 2, jitter_ms: 6, round_trip_ms: 48, trouble: null, encrypted: true },
    { party: "Mina Shah", user: "mina", codec: "G.722", score: 372, lost_permille: 18, jitter_ms: 21, round_trip_ms: 130, trouble: { cause: { kind: "late" }, way: "from" }, encrypted: false },
    { party: "+442079460812", user: null, codec: "PCMA", score: 254, lost_permille: 91, jitter_ms: 60, round_trip_ms: null, trouble: { cause: { kind: "loss", percent: 9 }, way: "to" }, encrypted: null },
  ],
};
export const ready = (record: CallRecord = full, unsent: Unsent | null = null, rest: { refused?: string; draft?: Draft; only_here?: boolean } = {}): DetailsView =>
  ({ kind: "ready", record, unsent, refused: null, draft: null, only_here: false, ...rest });
/** What Maya wrote on the call while the exchange was away. */
export const unsent: Unsent = { call: full.id, base: 2, note: "She will send the receipt.", disposition: "resolved", at: at + 300_000, theirs: null };
export const conflict: Unsent = {
  ...unsent, theirs: { revision: 3, note: "Refund was paid today.", disposition: null, by: ref(ravi), at: at + 320_000 },
};
export const player = (rest: Partial<PlayerView> = {}): PlayerView => ({
  call: full.id, state: { kind: "paused" }, position_ms: 12_000, duration_ms: 42_000, speed: 100, ...rest,
});
/** The row of a record. */
export const row = (record: CallRecord, rest: Partial<Row> = {}): Row => ({
  id: record.id, direction: record.direction, outcome: record.outcome, caller: record.caller, dialled: record.dialled,
  department: record.department, agents: record.agents, started_at: record.started_at, answered_at: record.answered_at,
  ended_at: record.ended_at, waited_ms: (record.answered_at ?? record.ended_at) - record.started_at,
  talk_ms: record.answered_at === null ? 0 : record.ended_at - record.answered_at,
  transferred: record.journey.some((step) => step.event === "transfer_started"),
  came_back: record.journey.some((step) => step.event === "transfer_bounced"),
  voicemail: record.voicemail ? (record.voicemail.heard ? "heard" : "unheard") : "none",
  worst_score: record.quality?.length ? Math.min(...record.quality.map(({ score }) => score)) : null,
  note: record.remarks?.note ?? "", disposition: record.remarks?.disposition ?? null, remarks: record.remarks ? "kept" : "none",
  excerpt: null, marks: [], ...rest,
});
export const rows = (count: number): Row[] => records(count).map((each) => row(each));
/** One row of each particular kind. */
export const particular = (): Row[] => {
  const [a, b, c, d, e, f, g, h] = records(8).map((each) => row(each));
  return [
    row(full), { ...b!, transferred: true }, { ...c!, voicemail: "heard" }, { ...d!, outcome: "voicemail", voicemail: "unheard" },
    { ...e!, remarks: "unsent", note: "Called twice" }, { ...f!, remarks: "conflict", note: "Called twice" },
    { ...g!, remarks: "kept", disposition: "resolved" }, { ...h!, outcome: "announced", worst_score: 290 }, { ...a!, id: "7f3a-x", outcome: "failed", came_back: false, transferred: false },
  ];
};
export const counts = (rest: Partial<Counts> = {}): Counts => ({
  total: 1204, directions: [{ value: "inbound", calls: 903 }, { value: "outbound", calls: 301 }],
  outcomes: [{ value: "answered", calls: 1000 }, { value: "missed", calls: 150 }, { value: "voicemail", calls: 54 }],
  departments: [{ value: support, calls: 803 }, { value: billing, calls: 401 }],
  answered_by: [{ value: ref(ravi), calls: 512 }, { value: ref(mina), calls: 488 }, { value: { id: "gone", name: "Zoë Martin" }, calls: 3 }],
  transferred: 181, came_back: 24, voicemail_left: 54, voicemail_unheard: 2,
  talk_at_least_ms: [{ value: 60_000, calls: 700 }, { value: 300_000, calls: 250 }, { value: 900_000, calls: 31 }, { value: 3_600_000, calls: 0 }],
  quality_below: [{ value: 258, calls: 1 }, { value: 310, calls: 7 }, { value: 360, calls: 40 }, { value: 403, calls: 220 }],
  dispositions: [{ value: "resolved", calls: 77 }, { value: "old_word", calls: 1 }], ...rest,
});
export const head = (rest: Partial<LogsHead> = {}): LogsHead => ({
  filter: {
    text: "", range: null, from: null, until: null, directions: [], outcomes: [], answered_by: [], departments: [], transferred: false,
    came_back: false, voicemail: "any", talk_at_least_ms: null, talk_below_ms: null, quality_below: null, dispositions: [],
  },
  stretch: { from: null, until: null }, more: false, counts: counts(), counts_outdated: false, as_of: at, sync: { kind: "up_to_date" }, saved: [], unsent: 0, conflicts: 0, conflict: null,
  complete_from: null, columns: [], summary: summary(), export: null, ...rest,
});
/** "per 98 ref", with filters. */
export function searched(): View {
  const filter = { ...head().filter, text: "per 98 ref", outcomes: ["answered" as const], departments: ["support"], transferred: true, from: at - 86_400_000 * 30 };
  const [a, b, c, d] = rows(4);
  return view({ logs: { head: head({ filter, counts: counts({ total: 4 }), saved: [{ name: "Refunds in Support", filter }, { name: "Missed today", filter: head().filter }] }), rows: [
    { ...a!, excerpt: "Refund question, she has the receipt of order 4411 and wants it today", marks: [{ field: "caller_number", item: 0, from: 3, to: 5 }, { field: "excerpt", item: 0, from: 0, to: 3 }] },
    { ...b!, caller: { name: "João 😀 Pereira", number: "+351912345678" }, marks: [{ field: "caller_name", item: 0, from: 7, to: 10 }, { field: "caller_number", item: 0, from: 4, to: 5 }] },
    { ...c!, note: "Refund promised", remarks: "kept", marks: [{ field: "note", item: 0, from: 0, to: 3 }, { field: "agent", item: 0, from: 0, to: 2 }] },
    { ...d!, dialled: "+44 20 7946 0200", marks: [{ field: "dialled", item: 0, from: 4, to: 6 }, { field: "department", item: 0, from: 0, to: 3 }] },
  ] } });
}
/** All that can go on with the logs at once. */
export const goingOn = (): View => view({
  logs: logs(40, {
    sync: { kind: "syncing", done: 412_000, percent: 41 }, complete_from: at - 9e9, unsent: 2, export: { kind: "going", done: 4000, total: 12_000 },
  }),
  player: player({ state: { kind: "playing" } }),
});
/** Today by the machine's midnight. */
export function summary(): SummaryView {
  const from = new Date(at).setHours(0, 0, 0, 0);
  const answered = [0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 12, 7, 3, 8, 1];
  const hours = Array.from({ length: 24 }, (_, hour) => {
    const [heard = 0, missed] = [answered[hour], hour > 7 && hour < 15 ? hour % 3 : 0];
    return { from: from + hour * 3_600_000, calls: heard + missed + (heard > 5 ? 2 : 0), answered: heard, missed, transferred: heard > 8 ? 2 : 0 };
  });
  const all = (key: "calls" | "answered" | "missed" | "transferred") => hours.reduce((sum, hour) => sum + hour[key], 0);
  return {
    from, until: from + 86_400_000,
    sums: { calls: all("calls"), answered: all("answered"), missed: all("missed"), outbound: 8, transferred: all("transferred"), came_back: 1, voicemails: 2, average_wait_ms: 9_400, hours },
  };
}
export const records = (count: number): CallRecord[] => Array.from({ length: count }, (_, n) => (n === 0 ? moved : record(n)));

/** Blind, consult, voicemail: why not, or the line. */
const three = (refused: (string | null)[], lines: string[]): TransferTarget["ways"] =>
  (["blind", "consult", "voicemail"] as const).map((kind, n) => ({ kind, refused: refused[n] ?? null, line: refused[n] ? "" : lines[n]! }));
const consultLine = (rings: string) => `${rings}; you speak first. Priya Nair hears music, and is back with you if nobody answers.`;
const cannot = (name: string, why: string) => `${name} can't take this call: ${why}. Choose someone else.`;

const target = (who: User, rest: Partial<TransferTarget> = {}, why?: string): TransferTarget => ({
  target: { kind: "user", id: who.id }, name: who.name, extension: who.extension,
  departments: who.departments.map((id) => (id === "support" ? "Support" : "Billing")), presence: who.presence, ineligible: null,
  forecast: [{ step: "ring", users: [ref(who)], seconds: 20 }],
  forecast_line: `rings ${who.name} 20 s, then back to Mina Shah, then Support: 2 free`,
  ways: three(why ? [cannot(who.name, why), cannot(who.name, why)] : [], [
    `rings ${who.name} 20 s, then back to Mina Shah, then Support: 2 free`, consultLine(`rings ${who.name} 20 s`),
    `Priya Nair goes straight to the voicemail of ${who.name}.`,
  ]), ...rest,
});
export const targets: TransferTarget[] = [
  target(lena, { ineligible: { code: "away", since: at - 3_600_000 } }, "away"),
  target(maya),
  target(mina, { ineligible: { code: "in_this_call" } }, "already in this call"),
  target(omar, { ineligible: { code: "no_device" } }, "no phone signed in"),
  target(ravi),
  { target: { kind: "department", id: "billing" }, name: "Billing", extension: "400", departments: [], presence: null,
    ineligible: { code: "nobody_there" }, forecast: [], forecast_line: "",
    ways: three([cannot("Billing", "nobody signed in"), cannot("Billing", "nobody signed in")], ["", "", "Priya Nair goes straight to the voicemail of Billing."]) },
  { target: { kind: "department", id: "support" }, name: "Support", extension: "200", departments: [], presence: null, ineligible: null,
    forecast: [{ step: "next_agent", department: "Support", free: 2, seconds: 30, strategy: "all_at_once" }], forecast_line: "next free agent of Support (2 free) 30 s, then voicemail of Support",
    ways: three([], ["next free agent of Support (2 free) 30 s, then voicemail of Support", consultLine("next free agent of Support (2 free) 30 s"),
      "Priya Nair goes straight to the voicemail of Support."]) },
];
/** What the exchange says of an outside number. */
export const outsideRow = (number: string): TransferTarget => ({
  target: { kind: "outside", id: number }, name: number.replace(/[^+\d]/g, ""), extension: "", departments: [], presence: null, ineligible: null,
  forecast: [{ step: "dial", number, seconds: 20 }], forecast_line: `dials ${number} 20 s, then back to Mina Shah 20 s`,
  ways: three([null, null, "An outside number has no mailbox here."], [`dials ${number} 20 s, then back to Mina Shah 20 s`, consultLine(`dials ${number} 20 s`), ""]),
});
export const dialog: TransferDialog = {
  call: "c1", revision: 3, caller: talking.call.caller, body: { kind: "ready", targets, outside: { right: "allowed" } }, number: null,
  sending: false, error: null, system: null, changed: null,
};

export const ring: RingView = {
  id: 7, account: null, call: "c9", kind: "transfer", headline: "Internal transfer from Ravi Kumar", caller: { name: "Priya Nair", number: "+919812345678" },
  by: { name: "Ravi Kumar", number: "ravi" }, department: "Support", note: "Refund for order 4411, she has the receipt", since: at, answering: false, security: "pinned",
};
export const secondRing: RingView = {
  id: 8, account: null, call: "c8", kind: "recall", headline: "Back from Mina Shah: no answer after 20 s", caller: { name: "João Pereira", number: "+351912345678" },
  by: null, department: "Billing", note: null, since: at, answering: false, security: "clear",
};
export const ownCall: PhoneCall = {
  id: 3, account: null, call: "c1", with: { name: "Priya Nair", number: "+919812345678" }, state: "talking", since: at, muted: false, held: false,
  held_by_other: false, codec: "opus", quality: "good", security: "pinned", transfer_right: { right: "allowed" }, consult: null, about: null,
};

export const consultRing: RingView = {
  ...ring, id: 9, kind: "consult", headline: "Ravi Kumar wants to speak with you about Priya Nair",
};
/** Maya speaks with Ravi about Priya, or the other way round. */
export const consultCall = (stage: ConsultStage): PhoneCall => ({
  ...ownCall, transfer_right: transferring.transfer_right,
  consult: {
    transfer: "t7", with: "Ravi Kumar", stage, waiting_since: at + 700_000, complete_right: { right: "allowed" },
    swap_right: stage === "ringing"
      ? { right: "refused", denied: { code: "not_connected_yet" }, sentence: "Your colleague has not answered yet. Wait, complete, or cancel." }
      : { right: "allowed" },
  },
});
export const consultLong: PhoneCall = {
  ...consultCall("with_colleague"), with: { name: longName, number: "+919812345678901" },
  consult: { ...consultCall("with_colleague").consult!, with: longName },
};
const stages: Record<ConsultStage, TransferStage> = {
  ringing: { kind: "consult_ringing", towards: [ref(ravi)], until: at + 20_000 },
  with_colleague: { kind: "consulting", with: { kind: "user", ...ref(ravi) } },
  with_caller: { kind: "swapped", with: { kind: "user", ...ref(ravi) } },
};
export const consultView = (stage: ConsultStage): View => view({
  live: { as_of: at, calls: [consulting(stages[stage])] }, phone: { calls: [consultCall(stage)], trouble: null, offered: null }, logs: logs(20),
});
export const undoNotice = { id: 3, at, tone: "plain" as const, sentence: "You transferred Priya Nair to Ravi Kumar.", undo: "t1" };
/** What can be wrong and on the way at once. */
export const eventful = (): View => view({
  link: { ...view().link, exchange: "Call records can't be written: the disk is full. Calls go on." },
  live: { as_of: at, calls: [transferring, bouncing, outside] }, logs: logs(20), notices: [undoNotice],
});

export function view(rest: Partial<View> = {}): View {
  return {
    session: { kind: "signed_in", account: "Northwind Desk", me: maya, address: "https://exchange.northwind.example:7443", keyring_warning: null },
    link: { control: { kind: "up" }, registration: { kind: "up" }, exchange: null },
    live: { as_of: at, calls: [] },
    phone: { calls: [], trouble: null, offered: null },
    rings: [],
    dialog: null,
    logs: { head: head({ counts: counts({ total: 0 }) }), rows: [] },
    details: null,
    directory: { users, departments: [
      { ...support, extension: "200", free: 2, members: 4, queued: 0 },
      { ...billing, extension: "400", free: 0, members: 3, queued: 2 },
    ], dispositions: [{ id: "resolved", name: "Resolved" }, { id: "call_back", name: "Call back" }, { id: "wrong_number", name: "Wrong number" }] },
    sound: { microphones: [{ id: "m1", name: "USB headset" }], speakers: [{ id: "s1", name: "USB headset" }, { id: "s2", name: "Loudspeaker" }],
      choice: { microphone: "m1", speaker: null, ringer: "s2", ring_both: false, cancel_echo: true, reduce_noise: true, level_voice: true },
      remembered: [], trouble: null, headset: null, test: null },
    notices: [],
    asking: [],
    keeping: { days: null, megabytes: 512 },
    player: null,
    accounts: { list: [], from: null, fault: null, saved: 0 },
    ...rest,
  };
}
export const account = (rest: Partial<AccountView> = {}, settings: Partial<SipAccountSettings> = {}): AccountView => ({
  settings: { ...blank, key: "k1", address: "ana@sip.northwind.example", name: "Shop", display: "Ana Ruiz", mailbox: "*97", colour: "plum",
    watched: [{ number: "204", name: "Ravi Kumar" }, { number: "205", name: "" }], ...settings },
  name: "Shop", label: "S", state: { kind: "up" }, advice: null, fingerprint: null, keyring_warning: null, messages: { waiting: true, new: 2 },
  watched: [
    { number: "204", name: "Ravi Kumar", state: "on_call", why: null },
    { number: "205", name: "205", state: "unknown", why: "The system knows no such line." },
  ],
  abilities: [
    { has: "yes", sentence: "Your own calls: make, answer, hold, several at once, and written down in Call Logs on this computer." },
    { has: "unknown", sentence: "Messages that wait in the mailbox: this system has not told of any yet." },
    { has: "no", sentence: "Calls of others, departments and their queues: a Patchcord exchange is needed for these." },
  ],
  ...rest,
});
const second = account({ name: "sip.provider.example", label: "SP", messages: null, watched: [], state: { kind: "down", since: at, why: "Calls can't reach this phone: sip.provider.example refused the user name or the password.", retry_at: null },
  advice: "It is not tried again by itself, so that the server does not lock the account. Press Change, type user name and password again, and save." },
  { key: "k2", address: "ana@sip.provider.example", name: "", colour: "rust", tone: "classic", watched: [] });
const accounts = (list: AccountView[], rest: Partial<AccountsView> = {}): AccountsView => ({ list, from: list[0]?.settings.key ?? null, fault: null, saved: 0, ...rest });
/** A call of the account Shop, as the desk shows it: in the strip and in the live list. */
export const plainCall: PhoneCall = { ...ownCall, id: 1048577, account: "k1", call: "own-1" };
export const plainRow: LiveRow = live("own-1", "Priya Nair", { kind: "talking", with: { id: "own", name: "Ana Ruiz" } },
  { agent: { id: "own", name: "Ana Ruiz" }, department: { id: "account-k1", name: "Shop" } });
export const plainRing: RingView = { ...ring, id: 1048578, account: "k1", call: "own-2", kind: "outside", headline: "Call from Priya Nair", by: null, department: null, note: null };
/** Plain accounts and no exchange. */
export const plain = (rest: Partial<View> = {}): View => view({
  session: { kind: "signed_out", address: "", user: "", error: null },
  link: { control: { kind: "off" }, registration: { kind: "off" }, exchange: null },
  directory: { users: [], departments: [], dispositions: [] },
  logs: logs(6, { sync: { kind: "here" } }), accounts: accounts([account()]), ...rest,
});
export const plainBusy = (): View => plain({ phone: { calls: [plainCall], trouble: null, offered: null }, live: { as_of: null, calls: [plainRow] }, rings: [plainRing] });
/** An exchange and two accounts, one of which is refused. */
export const several = (): View => view({ accounts: accounts([account(), second]), phone: { calls: [ownCall, { ...plainCall, held: true }], trouble: null, offered: null }, logs: logs(6) });
export const plainLong = (): View => plain({
  accounts: accounts([account({ name: longName, watched: [{ number: "204", name: longName, state: "free", why: null }] })]),
  phone: { calls: [{ ...plainCall, with: { name: longName, number: "+919812345678901" } }], trouble: null, offered: null },
  live: { as_of: null, calls: [{ ...plainRow, call: { ...plainRow.call, department: { id: "account-k1", name: longName } } }] },
});
export const unknownCertificate = (): View => plain({ accounts: accounts([account({ state: second.state, advice: "Compare the certificate's fingerprint with the one that the system's administrator reads to you.",
  fingerprint: "3A:7F:11:C0:9E:52:AB:04:77:D1:6C:38:E5:90:2B:4D:F8:16:83:5A:CE:21:B7:60:9D:44:0E:F3:75:1C:A8:62" })]) });
export const plainDialog: TransferDialog = {
  ...dialog, call: "own-1", system: "A call of Shop: its own system moves it. What happens if nobody answers is up to that system; if it refuses, the caller is back with you.",
  body: { kind: "ready", outside: { right: "allowed" }, targets: [{ target: { kind: "user", id: "204" }, name: "Ravi Kumar", extension: "204", departments: ["on a call"], presence: null, ineligible: null, forecast: [],
    forecast_line: "Asks the system of Shop to ring Ravi Kumar; if it refuses, the caller is back with you.",
    ways: three([null, null, "Sending a caller to a mailbox needs a Patchcord exchange."], ["Asks the system of Shop to ring Ravi Kumar; if it refuses, the caller is back with you.", "Holds the caller and rings Ravi Kumar; then you complete, swap or cancel.", ""]) }] },
};
export const logs = (count: number, rest: Partial<LogsHead> = {}): View["logs"] => ({ head: head(rest), rows: rows(count) });
export const signedOut = (error: string | null = null): View => view({ session: { kind: "signed_out", address: "https://exchange.northwind.example:7443", user: "maya", error } });
export const fingerprint: View = view({
  session: { kind: "confirm_fingerprint", address: "https://exchange.northwind.example:7443", user: "maya",
    fingerprint: "3A:7F:11:C0:9E:52:AB:04:77:D1:6C:38:E5:90:2B:4D:F8:16:83:5A:CE:21:B7:60:9D:44:0E:F3:75:1C:A8:62" },
});
export const offline = (): View => view({
  link: { control: { kind: "down", since: at, why: "The exchange does not answer.", retry_at: at + 60_000 },
    registration: { kind: "down", since: at, why: "The registrar does not answer.", retry_at: null }, exchange: null },
  live: { as_of: at, calls: few }, logs: logs(12, { sync: { kind: "offline" } }),
});
/** Every part with names as long as they come. */
export function long(): View {
  const caller = { name: longName, number: "+919812345678901" };
  const agent = { id: "long", name: longName };
  const calls = few.map((row) => ({ ...row, call: { ...row.call, caller, agent, department: { id: "long", name: longName } } }));
  return view({
    session: { kind: "signed_in", account: longName, me: { ...maya, name: longName }, address: "https://x:1", keyring_warning: null },
    live: { as_of: at, calls },
    logs: { head: head(), rows: rows(30).map((r) => ({ ...r, caller, agents: [agent, agent], department: { id: "long", name: longName } })) },
    phone: { calls: [{ ...ownCall, with: caller }], trouble: null, offered: null },
    rings: [{ ...ring, headline: `Internal transfer from ${longName}`, caller, department: longName }],
  });
}
