// The pages as the app carries them, with a desk that records wishes and says what a test tells it to say.
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { test as base, type Page } from "@playwright/test";
import { at } from "./office";
import type { View, ViewPatch, Wish } from "../src/bindings";

const DIST = new URL("../dist", import.meta.url).pathname;
const HOME = "http://patchcord.test";
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

export const emptyPatch: ViewPatch = {
  session: null, link: null, live: null, phone: null, rings: null, dialog: null, logs: null, details: null,
  directory: null, sound: null, notices: null, asking: null, keeping: null, player: null, accounts: null,
};

interface Mocked {
  calls: { command: string; args: Record<string, unknown> }[];
  emit: (event: string, payload: unknown) => void;
  /** Sends the next message of the channel that was given to `command` last. */
  stream: (command: string, message: unknown) => void;
}
declare global {
  interface Window {
    mocked: Mocked;
  }
}

/** One window of the app. */
export class Desk {
  constructor(readonly page: Page) {}

  async open(view: View, path: "index.html" | "ring.html" = "index.html"): Promise<void> {
    await this.page.clock.setSystemTime(at + 754_000);
    await this.page.addInitScript(mockTauri, view);
    await this.page.goto(`${HOME}/${path}`);
  }

  /** As chosen under Settings: everything twice as large. */
  async largeText(): Promise<void> {
    await this.page.addInitScript(() => localStorage.setItem("patchcord.prefs", '{"textSize":200}'));
  }

  /** Sends the sections of `patch` as the desk would. */
  async push(patch: Partial<ViewPatch>): Promise<void> {
    await this.page.evaluate((payload) => window.mocked.emit("view-changed", payload), { ...emptyPatch, ...patch });
  }

  /** Gives the page the size that it asked for, as the app does, until it asks no more. */
  async fitRing(): Promise<void> {
    let last = "";
    for (;;) {
      const size = (await this.calls("fit_ring")).at(-1);
      const wanted = JSON.stringify(size);
      if (!size || wanted === last) return;
      last = wanted;
      await this.page.setViewportSize({ width: Number(size.width), height: Number(size.height) });
      await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    }
  }

  /** How loud it is, as long as the page wants to know. */
  async levels(microphone: number, speaker: number): Promise<void> {
    await this.page.evaluate((levels) => window.mocked.stream("watch_levels", levels), { microphone, speaker });
  }

  async calls(command: string): Promise<Record<string, unknown>[]> {
    const calls = await this.page.evaluate(() => window.mocked.calls);
    return calls.filter((call) => call.command === command).map((call) => call.args);
  }

  /** What the person has asked for; sums, and that drafts are kept, are asked for by the window itself. */
  async wishes(): Promise<Wish[]> {
    return (await this.all()).filter(({ kind }) => !["summarise", "draft_remarks", "drop_draft"].includes(kind));
  }

  async all(): Promise<Wish[]> {
    return (await this.calls("wish")).map((args) => args.wish as Wish);
  }
}

// Runs inside the page, before its scripts.
function mockTauri(view: View): void {
  const callbacks = new Map<number, (message: unknown) => void>();
  const sent = new Map<number, number>();
  const listeners: { event: string; handler: number }[] = [];
  let next = 1;
  const answers: Record<string, (args: Record<string, unknown>) => unknown> = {
    view: () => view,
    "plugin:event|listen": (args) => listeners.push({ event: String(args.event), handler: Number(args.handler) }),
    "plugin:window|is_focused": () => false,
  };
  window.mocked = {
    calls: [],
    emit: (event, payload) => {
      for (const listener of listeners.filter((each) => each.event === event)) {
        callbacks.get(listener.handler)?.({ event, id: listener.handler, payload });
      }
    },
    stream: (command, message) => {
      const channel = window.mocked.calls.filter((call) => call.command === command).at(-1)?.args.channel as { id: number };
      sent.set(channel.id, (sent.get(channel.id) ?? -1) + 1);
      callbacks.get(channel.id)?.({ index: sent.get(channel.id), message });
    },
  };
  Object.assign(window, {
    __TAURI_INTERNALS__: {
      transformCallback: (callback: (message: unknown) => void) => (callbacks.set(next, callback), next++),
      unregisterCallback: (id: number) => callbacks.delete(id),
      invoke: (command: string, args: Record<string, unknown> = {}) => {
        window.mocked.calls.push({ command, args: structuredClone(args) });
        return Promise.resolve(answers[command]?.(args));
      },
    },
  });
}

export const test = base.extend<{ desk: Desk }>({
  desk: async ({ page }, use) => {
    const config = JSON.parse(await readFile(join(DIST, "../../tauri.conf.json"), "utf8")) as {
      app: { security: { csp: string } };
    };
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.route("**", async (route) => {
      const url = new URL(route.request().url());
      if (url.origin !== HOME) return route.abort();
      const path = join(DIST, normalize(url.pathname));
      const body = await readFile(path).catch(() => null);
      if (body === null) return route.fulfill({ status: 404 });
      const headers = { "content-security-policy": config.app.security.csp };
      return route.fulfill({ body, contentType: TYPES[extname(path)] ?? "application/octet-stream", headers });
    });
    await use(new Desk(page));
    base.expect(faults.filter((fault) => !fault.includes("404"))).toEqual([]);
  },
});

export { expect } from "@playwright/test";
