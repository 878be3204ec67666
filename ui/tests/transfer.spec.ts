// From a live call to Go and on, mostly without a mouse.
import { expect, test } from "./desk";
import type { Target, TransferDialog, TransferKind, Wish } from "../src/bindings";
import * as office from "./office";

const busy = office.view({ live: { as_of: office.at, calls: office.few }, logs: office.logs(20) });

test("a transfer by keyboard alone", async ({ desk, page }) => {
  await desk.open(busy);
  await page.getByTestId("live-row").first().waitFor();
  await page.keyboard.press("Control+Shift+L");
  await expect(page.getByTestId("live-row").first()).toBeFocused();
  await page.keyboard.press("Control+Shift+T");
  await expect.poll(() => desk.wishes()).toContainEqual({ kind: "open_transfer", call: "c1" });

  await desk.push({ dialog: { open: { ...office.dialog, body: { kind: "loading" } } } });
  const search = page.getByTestId("transfer-search");
  await expect(search).toBeFocused();
  await desk.push({ dialog: { open: office.dialog } });
  await page.keyboard.type("rav");
  await expect(page.getByTestId("target")).toHaveCount(1);
  await expect(page.getByTestId("forecast")).toContainText("rings Ravi Kumar 20 s, then back to Mina Shah");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.wishes()).toContainEqual(
    { kind: "transfer", call: "c1", revision: 3, target: { kind: "user", id: "ravi" }, transfer: "blind", note: null });

  await desk.push({ dialog: { open: null }, live: { as_of: office.at, reset: false, changed: [office.transferring], gone: [] } });
  await expect(page.getByTestId("transfer-dialog")).toBeHidden();
  await expect(page.getByTestId("live-row").first()).toBeFocused();
  const state = page.getByTestId("live-state").first();
  await expect(state).toHaveText("On hold → ringing Ravi Kumar");
  await desk.push({ live: { as_of: office.at, reset: false, changed: [office.arrived], gone: [] } });
  await expect(state).toHaveText("Talking with Ravi Kumar");
  await expect(page.getByTestId("announce-polite")).toContainText("Priya Nair: Talking with Ravi Kumar");
});

test("a transfer nobody took says so, and undo takes it back while it rings", async ({ desk, page }) => {
  await desk.open(office.view({ live: { as_of: office.at, calls: [office.transferring] } }));
  await page.getByTestId("live-undo").waitFor();
  await page.keyboard.press("Control+Shift+U");
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "cancel_transfer", transfer: "t1" }]);
  await desk.push({ asking: ["t1"] });
  await expect(page.getByTestId("live-undo")).toHaveAttribute("aria-disabled", "true");
  await expect(page.getByTestId("live-undo")).toHaveAttribute("data-tip", "Taking it back…");
  await desk.push({ asking: [], live: { as_of: office.at, reset: false, changed: [office.recalled], gone: [] } });
  await expect(page.getByTestId("live-state")).toHaveText("Ravi: no answer → back to Mina");
  await expect(page.getByTestId("live-undo")).toHaveCount(0);
  await desk.push({ live: { as_of: office.at, reset: false, changed: [office.inLine], gone: [] } });
  await expect(page.getByTestId("live-state")).toHaveText("On hold → waiting for Billing, number 2");
});

test("a refused right keeps its icon, focusable, and says why", async ({ desk, page }) => {
  await desk.open(busy);
  const button = page.locator("[data-call=c2]").getByTestId("live-transfer");
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await expect(button).toHaveAccessibleDescription("This call belongs to another department. Ask one of its managers to transfer it.");
  await page.keyboard.press("Control+Shift+L");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  await expect(button).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+Shift+T");
  expect(await desk.wishes()).toEqual([]);
});

test("the dialog greys with the reason, never hides, and refuses in a sentence with the focus kept", async ({ desk, page }) => {
  await desk.open({ ...busy, dialog: office.dialog });
  const search = page.getByTestId("transfer-search");
  await expect(search).toBeFocused();
  await expect(page.getByTestId("target")).toHaveCount(office.targets.length);
  const lena = page.locator("[data-target=lena]");
  await expect(lena).toHaveAttribute("aria-disabled", "true");
  await expect(lena).toContainText(/Away since .*\d\d:\d\d/);
  await expect(page.locator("[data-target=maya]")).toHaveAttribute("aria-selected", "true");

  await page.keyboard.press("ArrowUp");
  await expect(lena).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("transfer-error")).toHaveText("Lena Fischer can't take this call: away. Choose someone else.");
  await expect(search).toBeFocused();
  expect(await desk.wishes()).toEqual([]);

  await desk.push({ dialog: { open: { ...office.dialog, error: "The call changed while you were choosing." } } });
  await expect(page.getByTestId("transfer-error")).toHaveText("The call changed while you were choosing.");
  await expect(search).toBeFocused();
  await page.keyboard.press("Escape");
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "close_transfer" }]);
});

test("a second call that comes in leaves a half-typed transfer alone", async ({ desk, page }) => {
  await desk.open({ ...busy, rings: [office.ring], dialog: office.dialog });
  await page.getByTestId("transfer-search").fill("ra");
  await page.getByTestId("transfer-note").fill("She has the rec");
  await desk.push({ rings: [office.ring, office.secondRing], live: { as_of: office.at, reset: false, changed: office.many(3), gone: ["c2"] } });
  await expect(page.getByTestId("announce-urgent")).toHaveText(/Back from Mina Shah: no answer after 20 s/);
  await desk.push({ dialog: { open: { ...office.dialog, revision: 4 } } });
  await expect(page.getByTestId("transfer-note")).toBeFocused();
  await page.keyboard.type("eipt");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.wishes()).toEqual(
    [{ kind: "transfer", call: "c1", revision: 4, target: { kind: "user", id: "ravi" }, transfer: "blind", note: "She has the receipt" }]);
});

const go = (transfer: TransferKind, target: Target): Wish =>
  ({ kind: "transfer", call: "c1", revision: 3, target, transfer, note: null });

test("three ways, each with what will happen, each with its key", async ({ desk, page }) => {
  await desk.open({ ...busy, dialog: office.dialog });
  const search = page.getByTestId("transfer-search");
  await search.fill("rav");
  await expect(page.getByTestId("forecast")).toContainText("rings Ravi Kumar 20\u00a0s, then back to Mina Shah");
  await expect(page.getByTestId("forecast-consult")).toHaveText(
    "rings Ravi Kumar 20\u00a0s; you speak first. Priya Nair hears music, and is back with you if nobody answers.");
  await expect(page.getByTestId("forecast-voicemail")).toHaveText("Priya Nair goes straight to the voicemail of Ravi Kumar.");
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Alt+Enter");
  await page.keyboard.press("Enter");
  const ravi = { kind: "user", id: "ravi" } as const;
  await expect.poll(() => desk.wishes()).toEqual([go("consult", ravi), go("voicemail", ravi), go("blind", ravi)]);

  await search.fill("lena");
  await expect(page.getByTestId("forecast-consult")).toHaveText("Lena Fischer can't take this call: away. Choose someone else.");
  await expect(page.getByTestId("transfer-consult")).toHaveAttribute("aria-disabled", "true");
  await page.getByTestId("transfer-voicemail").click();
  await expect.poll(async () => (await desk.wishes()).at(-1)).toEqual(go("voicemail", { kind: "user", id: "lena" }));
});

test("consult is refused with the reason of the exchange", async ({ desk, page }) => {
  const sentence = "Only who is talking in this call can consult first. Press Go to transfer it without.";
  const targets = office.targets.map((target) => ({
    ...target, ways: target.ways?.map((way) => (way.kind === "consult" ? { ...way, refused: sentence, line: "" } : way)),
  }));
  await desk.open({ ...busy, dialog: { ...office.dialog, body: { kind: "ready", targets, outside: { right: "allowed" } } } });
  await page.getByTestId("transfer-search").fill("rav");
  await expect(page.getByTestId("forecast-consult")).toHaveText(sentence);
  await page.keyboard.press("Control+Enter");
  await expect(page.getByTestId("transfer-error")).toHaveText(sentence);
  expect(await desk.wishes()).toEqual([]);
});

test("an outside number is a row where it is allowed, and a sentence where it is not", async ({ desk, page }) => {
  await desk.open({ ...busy, dialog: office.dialog });
  const search = page.getByTestId("transfer-search");
  await search.fill("103");
  await expect(page.getByTestId("target")).toHaveText(/Ravi Kumar/);
  await search.fill("+44 20 7946 0812");
  await expect(page.getByTestId("target")).toHaveText(/Dial \+44 20 7946 0812/);
  await expect(page.getByTestId("forecast")).toHaveText("Asking what would happen…");
  const number = "+44 20 7946 0812";
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "ask_number", call: "c1", number }]);
  const typed = (number: string): TransferDialog =>
    ({ ...office.dialog, number: { number, answer: { kind: "ready", target: office.outsideRow(number) } } });
  await desk.push({ dialog: { open: typed("+44 20 7946") } });
  await expect(page.getByTestId("forecast")).toHaveText("Asking what would happen…");
  await desk.push({ dialog: { open: typed(number) } });
  await expect(page.getByTestId("forecast")).toHaveText(`dials ${number} 20\u00a0s, then back to Mina Shah 20\u00a0s`);
  await expect(page.getByTestId("forecast-voicemail")).toHaveText("An outside number has no mailbox here.");
  await page.keyboard.press("Alt+Enter");
  await expect(page.getByTestId("transfer-error")).toHaveText("An outside number has no mailbox here.");
  await page.keyboard.press("Enter");
  const gone = async () => (await desk.wishes()).filter((wish) => wish.kind === "transfer");
  await expect.poll(gone).toEqual([go("blind", { kind: "outside", id: number })]);

  const sentence = "You may not transfer calls to outside numbers. Choose a colleague, or ask an administrator.";
  const outside = { right: "refused", denied: { code: "outside_not_allowed" }, sentence } as const;
  await desk.push({ dialog: { open: { ...office.dialog, body: { kind: "ready", targets: office.targets, outside } } } });
  await expect(page.getByTestId("outside-refused")).toHaveText(sentence);
  await expect(page.getByTestId("target")).toHaveCount(0);
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await desk.wishes()).at(-1)).toEqual({ kind: "ask_number", call: "c1", number: null });
  expect(await gone()).toHaveLength(1);
});

test("a note that is too long is said, never cut", async ({ desk, page }) => {
  await desk.open({ ...busy, dialog: office.dialog });
  await page.getByTestId("transfer-note").fill("😀".repeat(201));
  await expect(page.getByTestId("note-count")).toContainText("201 / 200");
  await expect(page.getByTestId("transfer-error")).toHaveText("Shorten the note by 1 character.");
  await page.keyboard.press("Enter");
  expect(await desk.wishes()).toEqual([]);
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await desk.wishes()).map((wish) => wish.kind === "transfer" && [...(wish.note ?? "")].length)).toEqual([200]);
});

test("Go is in sight at twice the text size", async ({ desk, page }) => {
  await desk.largeText();
  await desk.open({ ...busy, dialog: office.dialog });
  for (const way of ["go", "consult", "voicemail"]) {
    await expect(page.getByTestId(`transfer-${way}`)).toBeInViewport({ ratio: 1 });
  }
});

test("a call that still rings is diverted, and it says so", async ({ desk, page }) => {
  const ringing = { ...office.ringing, transfer_right: { right: "allowed" } as const };
  await desk.open({ ...busy, live: { as_of: office.at, calls: [ringing] }, dialog: { ...office.dialog, call: "c3" } });
  await expect(page.getByRole("heading", { name: "Divert Priya Nair" })).toBeVisible();
  await expect(page.getByTestId("transfer-go")).toHaveText("Divert");
  await expect(page.getByTestId("live-transfer")).toHaveAttribute("aria-label", "Divert João Pereira");
});

test("somebody else moves the call: the dialog says who and what, and keeps what was typed", async ({ desk, page }) => {
  await desk.open({ ...busy, dialog: office.dialog });
  await page.getByTestId("transfer-search").fill("rav");
  await page.getByTestId("transfer-note").fill("invoice");
  await desk.push({ dialog: { open: { ...office.dialog, changed: "Sam Whitfield is transferring it to Tom Okafor." } } });
  await expect(page.getByTestId("transfer-changed")).toHaveText("Sam Whitfield is transferring it to Tom Okafor.");
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await desk.wishes()).at(-1)).toMatchObject({ revision: 3 });
  const why = "Sam Whitfield is already transferring this call to Tom Okafor. Wait until that is settled.";
  await desk.push({ dialog: { open: { ...office.dialog, revision: 4, error: why } } });
  await expect(page.getByTestId("transfer-error")).toHaveText(why);
  await expect(page.getByTestId("transfer-note")).toHaveValue("invoice");
  await expect(page.getByTestId("transfer-note")).toBeFocused();
});

test("a consultation: who is on the line, who waits, and its keys", async ({ desk, page }) => {
  await desk.open(office.consultView("ringing"));
  await expect(page.getByTestId("live-state")).toHaveText("Maya rings Ravi to consult");
  await expect(page.getByTestId("on-line")).toHaveText("Ravi Kumar");
  await expect(page.getByTestId("consult")).toContainText(/Priya Nair waits on hold \d:\d\d/);
  await expect(page.getByTestId("consult-swap")).toHaveAccessibleDescription("Your colleague has not answered yet. Wait, complete, or cancel.");
  await page.keyboard.press("Control+Shift+S");

  const next = office.consultView("with_colleague");
  await desk.push({ phone: next.phone, live: { ...next.live, reset: true, changed: next.live.calls, gone: [] } });
  await expect(page.getByTestId("live-state")).toHaveText("Maya consults Ravi");
  await page.keyboard.press("Control+Shift+S");
  await page.keyboard.press("Control+Shift+C");
  await page.keyboard.press("Control+Shift+U");
  await expect.poll(() => desk.wishes()).toEqual([
    { kind: "swap_transfer", transfer: "t7" }, { kind: "complete_transfer", transfer: "t7" }, { kind: "cancel_transfer", transfer: "t7" },
  ]);
  await expect(page.getByTestId("hang-up")).toHaveAttribute("data-tip", /Priya Nair goes to Ravi Kumar/);

  const swapped = office.consultView("with_caller");
  await desk.push({ phone: swapped.phone, asking: ["t7"], live: { ...swapped.live, reset: true, changed: swapped.live.calls, gone: [] } });
  await expect(page.getByTestId("on-line")).toHaveText("Priya Nair");
  await expect(page.getByTestId("consult")).toContainText("Ravi Kumar waits on hold");
  await expect(page.getByTestId("live-state")).toHaveText("Talking with Maya, Ravi waits");
  await expect(page.getByTestId("consult-complete")).toHaveAttribute("aria-disabled", "true");
  await page.keyboard.press("F1");
  await expect(page.getByTestId("help")).toContainText("Swap between the caller and the colleague you consult");
});

test("undo from the notice, pending until the exchange answers; the row shows the chain", async ({ desk, page }) => {
  await desk.open(office.eventful());
  await expect(page.locator("[data-call=c6]").getByTestId("live-chain")).toHaveText("rang Ravi 20\u00a0s, then Tom was busy");
  await expect(page.locator("[data-call=c7]").getByTestId("live-state")).toHaveText("With +442079460812, outside");
  const undo = page.getByTestId("notice-undo");
  await undo.click();
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "cancel_transfer", transfer: "t1" }]);
  await desk.push({ asking: ["t1"] });
  await expect(undo).toHaveText("Taking it back…");
  await undo.press("Enter");
  expect(await desk.wishes()).toHaveLength(1);
  await desk.push({ asking: [], notices: [{ id: 4, at: office.at, tone: "good", sentence: "Priya Nair is back with Mina Shah.", undo: null }] });
  await expect(undo).toHaveCount(0);
  await expect(page.getByTestId("notice")).toContainText("Priya Nair is back with Mina Shah.");
});
