import type { Security } from "../bindings";
import type { IconName } from "./icons";

/** Who can listen in, in words; and what they mean. */
export const securityWords: Record<Security, { icon: IconName; words: string; means: string }> = {
  verified: {
    icon: "verified",
    words: "Encrypted",
    means: "Signalling and sound are encrypted from here to the phone system, and an authority vouches for its certificate. What lies behind it is not known.",
  },
  pinned: {
    icon: "lock",
    words: "Encrypted, pinned certificate",
    means:
      "Signalling and sound are encrypted from here to the phone system. No authority vouches for its certificate: it is the one that was compared and accepted here, and no other is taken. What lies behind it is not known.",
  },
  clear: {
    icon: "unlocked",
    words: "Not encrypted",
    means: "Whoever is on the way from here to the phone system can listen in.",
  },
};
