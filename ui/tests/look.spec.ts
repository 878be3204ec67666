// Pictures of every screen, for eyes: LOOK=folder npx playwright test look
import { mkdirSync } from "node:fs";
import type { View } from "../src/bindings";
import { test, type Desk } from "./desk";
import * as office from "./office";

const folder = process.env.LOOK ?? "";
test.skip(!folder, "LOOK names no folder");
if (folder) mkdirSync(folder, { recursive: true });

const widget = office.view({ live: { as_of: office.at, calls: office.few }, logs: office.logs(40) });
const screens: Record<string, View> = {
  signin: office.signedOut(),
  "signin-error": office.signedOut("User or password is not right. Try again, or ask your administrator."),
  fingerprint: office.fingerprint,
  empty: office.view(),
  logs: office.view({ logs: office.logs(40) }),
  widget,
  one: office.view({ live: { as_of: office.at, calls: [office.transferring] }, logs: office.logs(40) }),
  many: office.view({ live: { as_of: office.at, calls: office.many(200) }, logs: office.logs(40) }),
  dialog: { ...widget, dialog: office.dialog },
  "dialog-error": { ...widget, dialog: { ...office.dialog, error: "Ravi Kumar has just gone away. Choose someone else." } },
  "dialog-changed": { ...widget, dialog: { ...office.dialog, changed: "Sam Whitfield is transferring it to Tom Okafor." } },
  "dialog-long": { ...office.long(), dialog: { ...office.dialog, caller: { name: office.longName, number: "+919812345678901" }, number: { number: "+44 20 7946 0812", answer: { kind: "ready", target: office.outsideRow("+44 20 7946 0812") } } } },
  "dialog-divert": { ...widget, dialog: { ...office.dialog, call: "c3" } },
  "consult-ringing": office.consultView("ringing"),
  "consult-colleague": office.consultView("with_colleague"),
  "consult-caller": office.consultView("with_caller"),
  "consult-long": { ...office.consultView("with_colleague"), phone: { calls: [office.consultLong], trouble: null, offered: null } },
  eventful: office.eventful(),
  details: { ...widget, details: office.ready() },
  particular: office.view({ logs: { head: office.head(), rows: office.particular() }, details: null }),
  "details-plain": office.view({ logs: office.logs(40), details: office.ready(), player: office.player({ state: { kind: "playing" } }) }),
  "details-conflict": office.view({ logs: office.logs(40, { conflicts: 1, conflict: office.full.id }), details: office.ready(office.full, office.conflict) }),
  searched: office.searched(),
  "logs-none": office.view({ logs: { head: office.head({ filter: { ...office.head().filter, text: "zz" }, counts: office.counts({ total: 0 }) }), rows: [] } }),
  "going-on": office.goingOn(),
  phone: {
    ...widget,
    phone: { calls: [office.ownCall, { ...office.ownCall, id: 4, held: true, muted: true, with: { name: "", number: "+4420" } }], trouble: null, offered: null },
    rings: [office.ring],
    notices: [{ id: 1, at: office.at, tone: "bad", sentence: "Ravi Kumar did not answer. Priya Nair is back with Mina Shah.", undo: null }],
  },
  plain: office.plainBusy(),
  several: office.several(),
  "plain-long": office.plainLong(),
  "plain-dialog": { ...office.plainBusy(), dialog: office.plainDialog },
  offline: office.offline(),
  long: office.long(),
};
const ways: Record<string, (desk: Desk) => Promise<void>> = {
  light: async () => undefined,
  dark: (desk) => desk.page.emulateMedia({ colorScheme: "dark" }),
  large: (desk) => desk.largeText(),
};

for (const [way, prepare] of Object.entries(ways)) {
  for (const [name, view] of Object.entries(screens)) {
    test(`${name} ${way}`, async ({ desk }) => {
      await prepare(desk);
      await desk.open(view);
      await desk.page.locator("h1, h2").first().waitFor();
      if (name === "dialog-long") await desk.page.getByTestId("transfer-search").fill("+44 20 7946 0812");
      await desk.page.screenshot({ path: `${folder}/${name}-${way}.png` });
    });
  }
  test(`settings ${way}`, async ({ desk }) => {
    await prepare(desk);
    await desk.open(widget);
    await desk.page.getByTestId("nav-settings").click();
    await desk.page.screenshot({ path: `${folder}/settings-${way}.png` });
    await desk.page.getByTestId("nav-help").click();
    await desk.page.screenshot({ path: `${folder}/help-${way}.png` });
  });
  test(`sound ${way}`, async ({ desk }) => {
    await prepare(desk);
    const sound = { ...widget.sound, choice: { ...widget.sound.choice, microphone: "gone" }, remembered: [{ id: "gone", name: "Headset of the night shift" }] };
    await desk.open({ ...widget, sound: { ...sound, test: { stage: "listening", verdicts: [] } } });
    await desk.page.getByTestId("nav-settings").click();
    await desk.page.getByTestId("sound-test").scrollIntoViewIfNeeded();
    await desk.levels(-28, -100);
    await desk.page.waitForTimeout(200); // the meter moves
    await desk.page.screenshot({ path: `${folder}/sound-listening-${way}.png` });
    await desk.push({ sound: { ...sound, test: { stage: "done", verdicts: [
      { tone: "bad", sentence: "The microphone is silent. Is it muted, on the headset or in the system's sound settings?" },
      { tone: "plain", sentence: "The speaker takes the sound. If you heard nothing, turn it up, or choose another; a headset's microphone does not hear it." },
    ] } } });
    await desk.page.getByTestId("sound-test").scrollIntoViewIfNeeded();
    await desk.page.screenshot({ path: `${folder}/sound-done-${way}.png` });
  });
  test(`accounts ${way}`, async ({ desk }) => {
    await prepare(desk);
    await desk.open(office.several());
    await desk.page.getByTestId("nav-settings").click();
    await desk.page.getByTestId("abilities").first().click();
    await desk.page.screenshot({ path: `${folder}/accounts-${way}.png` });
    await desk.page.getByTestId("account-change").first().click();
    await desk.page.getByTestId("account-more").first().click();
    await desk.page.screenshot({ path: `${folder}/account-form-${way}.png` });
    await desk.page.getByTestId("account-follow").first().scrollIntoViewIfNeeded();
    await desk.page.screenshot({ path: `${folder}/account-form-more-${way}.png` });
  });
  test(`sip sign-in ${way}`, async ({ desk }) => {
    await prepare(desk);
    await desk.open(office.signedOut());
    await desk.page.getByTestId("where-sip").click();
    await desk.page.screenshot({ path: `${folder}/signin-sip-${way}.png` });
  });
  test(`ring ${way}`, async ({ desk }) => {
    await prepare(desk);
    await desk.page.setViewportSize({ width: 384, height: 342 });
    await desk.open(office.view({ live: { as_of: office.at, calls: [{ ...office.bouncing, call: { ...office.bouncing.call, id: "c8" } }] },
      rings: [office.ring, office.secondRing, office.consultRing] }), "ring.html");
    await desk.page.getByTestId("ring").first().waitFor();
    await desk.fitRing();
    await desk.page.screenshot({ path: `${folder}/ring-${way}.png` });
  });
}
