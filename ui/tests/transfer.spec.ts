// From a live call to Go and on, mostly without a mouse.
import { expect, test } from "./desk";
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
  await desk.push({ live: { as_of: office.at, reset: false, changed: [office.recalled], gone: [] } });
  await expect(page.getByTestId("live-state")).toHaveText("Ravi: no answer → back to Mina");
  await expect(page.getByTestId("live-undo")).toHaveCount(0);
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
  await expect(page.getByTestId("announce-urgent")).toHaveText(/Back from Mina Shah: no answer/);
  await desk.push({ dialog: { open: { ...office.dialog, revision: 4 } } });
  await expect(page.getByTestId("transfer-note")).toBeFocused();
  await page.keyboard.type("eipt");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.wishes()).toEqual(
    [{ kind: "transfer", call: "c1", revision: 4, target: { kind: "user", id: "ravi" }, transfer: "blind", note: "She has the receipt" }]);
});
