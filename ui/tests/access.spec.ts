// Every screen, light and dark, measured by axe; and readable with text twice as large.
import AxeBuilder from "@axe-core/playwright";
import type { View } from "../src/bindings";
import { expect, test } from "./desk";
import * as office from "./office";

const busy = office.view({ live: { as_of: office.at, calls: office.few }, logs: office.logs(20) });
const screens: Record<string, { view: View; ready: string; steps?: string[]; page?: "ring.html" }> = {
  "sign-in": { view: office.signedOut("The password is not right."), ready: "sign-in" },
  fingerprint: { view: office.fingerprint, ready: "fingerprint" },
  "empty logs": { view: office.view(), ready: "logs-empty" },
  logs: { view: office.view({ logs: office.logs(20) }), ready: "logs" },
  "live calls": { view: busy, ready: "live-widget" },
  transferring: { view: office.view({ live: { as_of: office.at, calls: [office.transferring] } }), ready: "live-undo" },
  dialog: { view: { ...busy, dialog: { ...office.dialog, error: "Ravi Kumar has gone away." } }, ready: "transfer-search" },
  details: { view: { ...busy, details: office.ready() }, ready: "details" },
  particular: { view: office.view({ logs: { head: office.head(), rows: office.particular() } }), ready: "row-play" },
  searched: { view: office.searched(), ready: "condition" },
  "nothing found": { view: office.view({ logs: { head: office.searched().logs.head, rows: [] } }), ready: "logs-clear" },
  "filter panel": { view: office.searched(), ready: "filter-button", steps: ["filter-button"] },
  views: { view: office.searched(), ready: "views-button", steps: ["views-button"] },
  columns: { view: busy, ready: "columns-button", steps: ["columns-button"] },
  "export menu": { view: busy, ready: "export", steps: ["export"] },
  "row menu": { view: busy, ready: "log-row", steps: ["log-menu"] },
  "today as a table": { view: office.view({ logs: office.logs(5) }), ready: "today", steps: ["today-as-table"] },
  "syncing, exporting": { view: office.goingOn(), ready: "export-cancel" },
  stopped: { view: office.view({ logs: office.logs(5, { sync: { kind: "stopped", done: 9, percent: 7 }, export: { kind: "done", path: "/home/maya/Calls.csv", calls: 3 } }) }), ready: "sync-continue" },
  conflict: { view: office.view({ logs: office.logs(5, { conflicts: 1, conflict: office.full.id }), details: office.ready(office.full, office.conflict) }), ready: "conflict" },
  "details, playing": { view: office.view({ logs: office.logs(5), details: office.ready(), player: office.player({ state: { kind: "playing" } }) }), ready: "player-position" },
  "sign out": { view: office.goingOn(), ready: "nav-settings", steps: ["nav-settings", "sign-out"] },
  phone: {
    view: office.view({ phone: { calls: [office.ownCall], trouble: null, offered: null }, rings: [office.ring], notices: [{ id: 1, at: office.at, tone: "bad", sentence: "Ravi Kumar did not answer.", undo: null }] }),
    ready: "own-call",
    steps: ["keypad"],
  },
  "dialog, changed": { view: { ...busy, dialog: { ...office.dialog, changed: "Sam Whitfield is transferring it to Tom Okafor." } }, ready: "transfer-changed" },
  "consultation, ringing": { view: office.consultView("ringing"), ready: "consult" },
  "consultation, with the colleague": { view: office.consultView("with_colleague"), ready: "consult" },
  "consultation, with the caller": { view: office.consultView("with_caller"), ready: "consult" },
  eventful: { view: office.eventful(), ready: "exchange-trouble" },
  "taking back": { view: { ...office.eventful(), asking: ["t1", "t6"] }, ready: "notice-undo" },
  "a plain account, ringing and talking": { view: office.plainBusy(), ready: "own-call" },
  "several accounts": { view: office.several(), ready: "dial-from" },
  "accounts in the settings": { view: office.several(), ready: "nav-settings", steps: ["nav-settings", "account-change", "account-more", "abilities"] },
  "an unknown certificate": { view: office.unknownCertificate(), ready: "nav-settings", steps: ["nav-settings"] },
  "plain, long names": { view: office.plainLong(), ready: "own-call" },
  "plain dialog": { view: { ...office.plainBusy(), dialog: office.plainDialog }, ready: "transfer-search" },
  "sign in at a SIP system": { view: office.signedOut(), ready: "where-sip", steps: ["where-sip", "account-more"] },
  offline: { view: office.offline(), ready: "offline-banner" },
  presence: { view: busy, ready: "presence", steps: ["presence"] },
  settings: { view: busy, ready: "nav-settings", steps: ["nav-settings"] },
  "sound test": { view: { ...busy, sound: { ...busy.sound, test: { stage: "done", verdicts: [
    { tone: "bad", sentence: "The microphone is silent." }, { tone: "good", sentence: "The speaker plays: the microphone heard it." },
  ] } } }, ready: "nav-settings", steps: ["nav-settings"] },
  "sound test running": { view: { ...busy, sound: { ...busy.sound, test: { stage: "listening", verdicts: [] } } }, ready: "nav-settings", steps: ["nav-settings"] },
  help: { view: busy, ready: "nav-help", steps: ["nav-help"] },
  "long names": { view: office.long(), ready: "live-widget" },
  "ring window, consult": { view: office.view({ rings: [office.consultRing] }), ready: "ring", page: "ring.html" },
  "ring window": { view: office.view({ rings: [office.ring, office.secondRing] }), ready: "ring", page: "ring.html" },
};

for (const [name, { view, ready, steps = [], page: path }] of Object.entries(screens)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`${name}, ${colorScheme}: no violation`, async ({ desk, page }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await desk.open(view, path);
      await page.getByTestId(ready).first().waitFor();
      for (const step of steps) await page.getByTestId(step).first().click();
      const { violations } = await new AxeBuilder({ page })
        .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
        .analyze();
      expect(violations.map(({ id, nodes }) => ({ id, where: nodes.map((node) => node.html) }))).toEqual([]);
    });
  }

  test(`${name}: text at 200 % runs nowhere out of the window`, async ({ desk, page }) => {
    await desk.largeText();
    await desk.open(view, path);
    await page.getByTestId(ready).first().waitFor();
    for (const step of steps) await page.getByTestId(step).first().click();
    const outside = await page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const seen = [...document.querySelectorAll<HTMLElement>("button, input, select, h1, h2, p, [role=gridcell]")].filter(
        (element) => element.offsetParent !== null && !element.closest(".unseen"),
      );
      const out = seen.filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.right > width + 1 || box.left < -1);
      });
      return [document.documentElement.scrollWidth > width ? "page" : "", ...out.map((each) => each.outerHTML.slice(0, 120))].filter(Boolean);
    });
    expect(outside).toEqual([]);
  });
}

test("with large text, the live calls lie on nothing: least of all on what the person's own call needs", async ({ desk, page }) => {
  await desk.largeText();
  await desk.open({ ...office.consultView("with_colleague"), phone: { ...office.view().phone, calls: [office.consultLong] } });
  const widget = page.getByTestId("live-widget");
  for (const step of ["complete", "swap", "cancel"]) await page.getByTestId(`consult-${step}`).click({ trial: true });
  const [steps, at] = [(await page.getByTestId("consult").boundingBox())!, (await widget.boundingBox())!];
  expect(steps.y + steps.height).toBeLessThanOrEqual(at.y);
  await expect(page.getByTestId("live-row")).toHaveCount(0);
  await page.keyboard.press("Control+Shift+L");
  await expect(page.getByTestId("live-row")).toBeFocused();
  await desk.push({ phone: office.view().phone });
  await expect(page.getByTestId("live-row")).toBeVisible();
  await page.getByTestId("log-row").first().focus();
  await expect(page.getByTestId("log-row").first()).toBeInViewport({ ratio: 1 });
});

const inReach: Record<string, { view: View; width: number; height: number; large?: boolean; steps?: string[] }> = {
  "large text and long names": { view: office.plainLong(), width: 1280, height: 800, large: true },
  "large text in the smallest window": { view: office.plainLong(), width: 640, height: 400, large: true },
  "large text, open details": { view: { ...office.plainLong(), details: office.ready() }, width: 1280, height: 800, large: true },
  "two calls under the settings": { view: office.several(), width: 1280, height: 500, steps: ["nav-settings"] },
  "open details in a small window": { view: { ...office.plainLong(), details: office.ready() }, width: 900, height: 600 },
  "live calls in a low window": { view: { ...office.consultView("with_colleague"), live: { as_of: office.at, calls: office.many(20) } }, width: 1280, height: 400 },
};
for (const [name, { view, width, height, large, steps = [] }] of Object.entries(inReach)) {
  test(`what a call needs is in reach and never scrolled away: ${name}`, async ({ desk, page }) => {
    await page.setViewportSize({ width, height });
    if (large) await desk.largeText();
    await desk.open(view);
    await page.getByTestId("hang-up").first().waitFor();
    for (const step of steps) await page.getByTestId(step).click();
    const hidden = () => page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("[data-testid=own-call] button")].filter((button) => {
        const { x, y, width, height } = button.getBoundingClientRect();
        return ![[x + 1, y + height / 2], [x + width - 1, y + height / 2], [x + width / 2, y + height - 1]].every(([x, y]) => button.contains(document.elementFromPoint(x!, y!)));
      }).map((button) => button.dataset.testid));
    expect(await hidden()).toEqual([]);
    await page.evaluate(() => document.querySelectorAll("*").forEach((each) => each.closest("[data-testid=calls]") ?? each.scrollTo(0, each.scrollHeight)));
    expect(await hidden()).toEqual([]);
  });
}

test("a name that is read from right to left is cut at its end, and a number stays one", async ({ desk, page }) => {
  const view = office.plainBusy();
  const caller = { name: "מרים בן־דוד מהמשרד הראשי של החברה הגדולה בתל אביב יפו", number: "+97221234567" };
  await desk.open({ ...view, logs: { ...view.logs, rows: view.logs.rows.map((row) => ({ ...row, caller })) } });
  const name = page.getByTestId("log-row").first().getByRole("gridcell").nth(1);
  const first = await name.evaluate((cell) => {
    const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (text.nextNode() && !text.currentNode.textContent?.includes("מרים"));
    const range = document.createRange();
    range.setStart(text.currentNode, 0);
    range.setEnd(text.currentNode, 1);
    const [letter, box] = [range.getBoundingClientRect(), cell.getBoundingClientRect()];
    return letter.left >= box.left && letter.right <= box.right;
  });
  expect(first).toBe(true);
});

test("no button of a call moves because of what is said about it", async ({ desk, page }) => {
  for (const width of [1280, 1000, 700]) {
    await page.setViewportSize({ width, height: 800 });
    await desk.open(office.plainBusy());
    const at = async () => JSON.stringify(await page.getByTestId("own-call").getByRole("button").evaluateAll((all) => all.map((each) => each.getBoundingClientRect())));
    const before = await at();
    await desk.push({ phone: { ...office.view().phone, calls: [{ ...office.plainCall, quality: "bad: 19 % loss from you to Ravi Kumar, 400 ms round trip", with: { name: office.longName, number: "+919812345678901" } }] } });
    await expect(page.getByTestId("own-quality")).toContainText("19 %");
    expect(await at(), `${width}`).toBe(before);
  }
});

test("a long name is cut, and whole in its title", async ({ desk, page }) => {
  await desk.open(office.long());
  const cell = page.getByTestId("live-row").first().getByRole("gridcell").nth(1);
  await expect(cell).toHaveAttribute("data-tip", new RegExp(office.longName));
  expect(await cell.evaluate((element) => element.clientHeight < 40)).toBe(true);
  expect(await cell.locator(".name").evaluate((element) => element.scrollWidth > element.clientWidth)).toBe(true);
});

test("a hint opens for the pointer and for keys, stays under the pointer, and Escape puts it away", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(5), live: { as_of: office.at, calls: office.few } }));
  const tip = page.getByTestId("tip");
  await page.getByTestId("export").hover();
  await expect(tip).toHaveText("Export");
  await expect(tip).toBeVisible();
  await tip.hover();
  await page.waitForTimeout(300); // longer than it waits before it goes
  await expect(tip, "one may read on").toBeVisible();
  await page.keyboard.press("Escape");
  await expect(tip).toBeHidden();
  await page.getByRole("heading", { name: "Call Logs" }).hover();
  await page.getByTestId("export").focus();
  await page.keyboard.press("Shift+Tab");
  await expect(tip).toHaveText("Columns");
  await expect(tip).toBeVisible();
  await page.keyboard.press("Shift+Tab");
  await expect(tip, "what one has left").toBeHidden();
  await page.setViewportSize({ width: 700, height: 500 });
  await page.getByTestId("live-toggle").hover();
  await expect(tip).toBeVisible();
  const [at, over] = [(await tip.boundingBox())!, (await page.getByTestId("live-toggle").boundingBox())!];
  expect(at.y + at.height <= over.y || at.y >= over.y + over.height, "it does not cover what it is about").toBe(true);
});
