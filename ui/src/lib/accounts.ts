// Plain SIP accounts, and the exchange's beside them: which is meant, and what it is called.
import type { AccountColour, AccountKey, AccountView, RingTone, SessionView, SipAccountSettings, SipCodec, SipEncryption, SipTransport, View, WatchedState } from "../bindings";
import type { Mood, Said } from "./words";

/** Signed in at an exchange, or `null`: then there are plain accounts only. */
export type Session = Extract<SessionView, { kind: "signed_in" }> | null;

export const accountOf = (view: View | null, key: AccountKey | null): AccountView | null =>
  key === null ? null : (view?.accounts.list.find((account) => account.settings.key === key) ?? null);

/** Why no number can be called now from where the person calls; `null` if it can. */
export function noDial(view: View): string | null {
  const account = accountOf(view, view.accounts.from);
  if (account?.state.kind === "connecting") return `${account.name} is registering: it can call in a moment.`;
  if (account) return account.state.kind === "up" ? null : `${account.name} is not registered, so it can't call now.`;
  if (view.session.kind !== "signed_in") return "There is no account to call from.";
  if (view.link.registration.kind === "connecting") return "Your phone is registering: it can call in a moment.";
  return view.link.registration.kind === "up" ? null : "Your phone is not connected to the exchange, so it can't call now.";
}

export const colours: { colour: AccountColour; name: string }[] = [
  { colour: "blue", name: "Blue" }, { colour: "teal", name: "Teal" }, { colour: "plum", name: "Plum" },
  { colour: "olive", name: "Olive" }, { colour: "rust", name: "Rust" }, { colour: "slate", name: "Slate" },
];
export const tones: { tone: RingTone; name: string }[] = [
  { tone: "bell", name: "Bell" }, { tone: "chime", name: "Chime" }, { tone: "marimba", name: "Marimba" }, { tone: "classic", name: "Classic telephone" },
];
export const transports: { transport: SipTransport; name: string }[] = [
  { transport: "auto", name: "As the server asks for" }, { transport: "udp", name: "UDP" },
  { transport: "tcp", name: "TCP" }, { transport: "tls", name: "TLS (encrypted)" },
];
export const encryptions: { encryption: SipEncryption; name: string }[] = [
  { encryption: "when_possible", name: "When possible" }, { encryption: "required", name: "Required: no call in the clear" }, { encryption: "off", name: "Off" },
];
export const codecs: { codec: SipCodec; name: string }[] = [
  { codec: "opus", name: "Opus" }, { codec: "g722", name: "G.722" }, { codec: "pcma", name: "G.711 A-law" }, { codec: "pcmu", name: "G.711 µ-law" },
];

export const blank: SipAccountSettings = {
  key: "", address: "", display: "", name: "", colour: "blue", tone: "bell", auth_user: "", registrar: "", transport: "auto", encryption: "when_possible",
  outbound_proxy: "", stun: "", codecs: codecs.map(({ codec }) => codec), mailbox: "", fingerprint: "", watched: [], follow_outside: false,
};

export const watchedWords: Record<WatchedState, Said> = {
  free: { words: "Free", mood: "talking" },
  ringing: { words: "Ringing", mood: "ringing" },
  on_call: { words: "On a call", mood: "held" },
  unknown: { words: "Not known", mood: "quiet" },
};

export function stateWords({ state, fingerprint }: AccountView): { words: string; mood: Mood } {
  if (fingerprint) return { words: "certificate to compare", mood: "bad" };
  switch (state.kind) {
    case "off":
      return { words: "off", mood: "quiet" };
    case "connecting":
      return { words: "registering", mood: "ringing" };
    case "up":
      return { words: "ready", mood: "talking" };
    case "down":
      return { words: "not registered", mood: "bad" };
  }
}

/** "2 new messages"; `null` if none wait. */
export function messageWords({ messages }: AccountView): string | null {
  if (!messages?.waiting) return null;
  const count = messages.new ?? 0;
  return count > 0 ? `${count} new ${count === 1 ? "message" : "messages"}` : "Messages wait";
}

/** What a choice of encryption comes to with the chosen transport: keys go over TLS alone. */
export function encryptionWords({ encryption = "when_possible", transport }: SipAccountSettings): string {
  const clear = transport === "udp" || transport === "tcp";
  switch (encryption) {
    case "off":
      return "Sound is never encrypted.";
    case "when_possible":
      return clear ? "Not over this transport: choose TLS." : "Over TLS, with whoever can. A lock shows it.";
    case "required":
      return clear ? "No call is possible over this transport: choose TLS." : "Calls that cannot be encrypted are refused.";
  }
}
