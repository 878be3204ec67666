// The list of past calls: patches, search, filters, saved views, columns, keys.
import type { Row } from "../src/bindings";
import { expect, test, type Desk } from "./desk";
import * as office from "./office";

const noFilter = office.head().filter;
const list = (count: number, rest = {}) => office.view({ logs: office.logs(count, rest) });
const newRows = (count: number): Row[] => office.rows(count).map((row, n) => ({ ...row, id: `new-${n}`, caller: { name: `New ${n}`, number: "" } }));
const insert = (desk: Desk, at: number, removed: number, added: Row[]) => desk.push({ logs: { head: null, rows: { at, removed, added } } });
const last = async (desk: Desk) => (await desk.wishes()).at(-1);

test("rows that come, change and go are patched in place", async ({ desk, page }) => {
  await desk.open(list(5));
  const ids = () => page.getByTestId("log-row").evaluateAll((rows) => rows.map((row) => row.dataset.call));
  await expect.poll(ids).toEqual(["7f3a-0", "7f3a-1", "7f3a-2", "7f3a-3", "7f3a-4"]);
  await insert(desk, 1, 2, [{ ...office.rows(2)[1]!, outcome: "failed" }, ...newRows(1)]);
  await expect.poll(ids).toEqual(["7f3a-0", "7f3a-1", "new-0", "7f3a-3", "7f3a-4"]);
  await expect(page.locator("[data-call='7f3a-1']")).toContainText("Failed");
  await desk.push({ logs: { head: office.head({ more: true }), rows: null } });
  await expect(page.getByTestId("more-logs")).toBeVisible();
  await expect.poll(ids).toHaveLength(5);
});

test("what one looks at stays in place while calls come above it", async ({ desk, page }) => {
  await desk.open(list(200));
  const grid = page.getByRole("grid", { name: "Past calls" });
  await page.getByTestId("log-row").first().waitFor();
  await grid.evaluate((element) => (element.scrollTop = 1_530));
  const seen = page.locator("[data-call='7f3a-45']");
  const before = await seen.boundingBox();
  await insert(desk, 0, 0, newRows(7));
  await expect(seen).toHaveAttribute("data-place", "52");
  expect((await seen.boundingBox())!.y).toBeCloseTo(before!.y, 0);
  await insert(desk, 0, 7, []);
  await expect(seen).toHaveAttribute("data-place", "45");
  expect((await seen.boundingBox())!.y).toBeCloseTo(before!.y, 0);
});

test("the focus stays with its row, in sight or not, and arrows go on from there", async ({ desk, page }) => {
  await desk.open(list(200));
  const row = page.locator("[data-call='7f3a-3']");
  await row.focus();
  await insert(desk, 0, 0, newRows(2));
  await expect(row).toHaveAttribute("data-place", "5");
  await expect(row).toBeFocused();
  await page.getByRole("grid", { name: "Past calls" }).evaluate((element) => (element.scrollTop = 4_000));
  await insert(desk, 0, 0, [{ ...newRows(1)[0]!, id: "newer" }]);
  await expect(row).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(page.locator("[data-call='7f3a-4']")).toBeFocused();
  await expect(page.locator("[data-call='7f3a-4']")).toBeInViewport();
});

test("another search begins at the top of its list", async ({ desk, page }) => {
  await desk.open(list(200));
  const grid = page.getByRole("grid", { name: "Past calls" });
  await page.getByTestId("log-row").first().waitFor();
  await grid.evaluate((element) => (element.scrollTop = 4_000));
  await expect(page.locator("[data-call='7f3a-100']")).toBeVisible();
  await page.getByTestId("log-search").fill("n");
  await insert(desk, 0, 200, newRows(150));
  await expect(page.locator("[data-call='new-0']")).toBeInViewport();
  expect(await grid.evaluate((element) => element.scrollTop)).toBe(0);
});

test("another search's rows take the elements of the last one's, but never one that has the focus", async ({ desk, page }) => {
  await desk.open(list(60));
  await page.getByTestId("log-row").first().evaluate((row) => row.setAttribute("data-old", ""));
  await insert(desk, 0, 60, newRows(40));
  await expect(page.locator("[data-call='new-0']")).toHaveAttribute("data-old");
  await expect(page.locator("[data-call='new-0']")).toContainText("New 0");
  await page.locator("[data-call='new-0']").focus();
  await insert(desk, 0, 40, office.rows(60));
  await expect(page.locator("[data-call='7f3a-0']")).toBeVisible();
  await expect(page.locator("[data-old]")).toHaveCount(0);
});

test("each key is a search, answers undo nothing that was typed meanwhile, and the end asks for more", async ({ desk, page }) => {
  await desk.open(list(3, { more: true }));
  await page.getByTestId("log-search").pressSequentially("nai");
  await desk.push({ logs: { head: office.head({ filter: { ...noFilter, text: "n" } }), rows: null } });
  await page.getByTestId("log-search").press("r");
  await expect(page.getByTestId("log-search")).toHaveValue("nair");
  const wishes = await desk.wishes();
  expect(wishes[0]).toEqual({ kind: "more_logs" });
  expect(wishes.slice(1)).toEqual(["n", "na", "nai", "nair"].map((text) => ({ kind: "search_logs", filter: { ...noFilter, text } })));
});

test("what was found is marked, by characters and not by halves of them", async ({ desk, page }) => {
  await desk.open(office.searched());
  const marks = (call: string) => page.locator(`[data-call='${call}'] mark`).allTextContents();
  await page.getByTestId("log-row").first().waitFor();
  expect(await marks("7f3a-0")).toEqual(["98", "Ref"]);
  expect(await marks("7f3a-1")).toEqual(["Per", "9"]);
  expect(await marks("7f3a-2")).toEqual(["Ref", "Ra"]);
  expect(await marks("7f3a-3")).toEqual(["20", "Sup"]);
  await expect(page.locator("[data-call='7f3a-0']").getByTestId("log-found")).toContainText("Transfer note: Refund question");
  await expect(page.locator("[data-call='7f3a-2']").getByTestId("log-found")).toHaveText("Note: Refund promised");
  await expect(page.locator("[data-call='7f3a-3']").getByTestId("log-found")).toHaveText("Called +44 20 7946 0200");
  await expect(page.locator("[data-call='7f3a-1']").getByTestId("log-found")).toHaveCount(0);
});

test("filters combine, say how many calls each leaves, and are taken off one by one", async ({ desk, page }) => {
  await desk.open(list(20));
  await expect(page.getByTestId("chip-missed")).toHaveText("Missed 150");
  await page.getByTestId("chip-missed").click();
  await expect(page.getByTestId("chip-missed")).toHaveAttribute("aria-pressed", "true");
  await page.getByTestId("filter-button").click();
  await expect(page.getByTestId("count-answered-ravi")).toHaveText("512");
  await expect(page.getByTestId("count-outcome-failed")).toHaveText("0");
  await expect(page.getByTestId("filter-disposition-old_word")).toBeVisible();
  await expect(page.getByTestId("filter-quality").locator("option")).toContainText(["However it sounded", "Less than good (220)"]);
  await page.getByTestId("filter-answered-gone").check();
  await page.getByTestId("filter-department-billing").check();
  await page.getByTestId("filter-moved-came_back").check();
  await page.getByTestId("filter-voicemail-unheard").check();
  await page.getByTestId("filter-talk").selectOption("300000");
  await page.getByTestId("filter-quality").selectOption("360");
  await page.getByTestId("filter-disposition-resolved").check();
  await page.getByTestId("range-from").fill("2026-03-02");
  await page.getByTestId("range-until").fill("2026-03-03");
  const day = (date: number) => new Date(2026, 2, date).getTime();
  const filter = {
    ...noFilter, outcomes: ["missed"], answered_by: ["gone"], departments: ["billing"], came_back: true, voicemail: "unheard",
    talk_at_least_ms: 300_000, quality_below: 360, dispositions: ["resolved"], from: day(2), until: day(4),
  };
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter });
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("filter-panel")).toHaveCount(0);
  await expect(page.getByTestId("filter-button")).toBeFocused();
  await expect(page.getByTestId("condition")).toHaveText([
    "Mar 2, 2026 to Mar 3, 2026", "Missed", "Answered by Zoë Martin", "Billing", "Came back", "Message not heard", "5:00 or longer",
    "Sound: poor or bad", "Resolved",
  ]);
  await page.getByTestId("condition").nth(1).click();
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: { ...filter, outcomes: [] } });
  await expect(page.getByTestId("condition").nth(1)).toBeFocused();
  await page.getByTestId("conditions-clear").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: noFilter });
  await expect(page.getByTestId("condition")).toHaveCount(0);
  await expect(page.getByTestId("log-search")).toBeFocused();
});

test("an end before the beginning moves the other end along", async ({ desk, page }) => {
  await desk.open(list(2));
  await page.getByTestId("filter-button").click();
  await page.getByTestId("range-until").fill("2026-02-10");
  await page.getByTestId("range-from").fill("2026-02-20");
  const day = (date: number) => new Date(2026, 1, date).getTime();
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: { ...noFilter, from: day(20), until: day(21) } });
  await page.getByTestId("range-until").fill("2026-02-12");
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: { ...noFilter, from: day(12), until: day(13) } });
  const asked = (await desk.wishes()).length;
  await page.getByTestId("range-from").fill("0020-02-10");
  await expect(page.getByTestId("range-from")).toHaveValue("0020-02-10");
  await page.getByTestId("range-from").fill("");
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: { ...noFilter, from: null, until: day(13) } });
  expect((await desk.wishes()).length).toBe(asked + 1);
});

test("today is still today after midnight", async ({ desk, page }) => {
  await page.clock.install({ time: new Date(2026, 2, 4, 23, 59, 50) });
  await desk.open(list(2));
  await page.clock.setSystemTime(new Date(2026, 2, 4, 23, 59, 50));
  await page.getByTestId("filter-button").click();
  await page.getByTestId("range-today").click();
  const asked = async () => (await desk.wishes()).filter(({ kind }) => kind === "search_logs");
  await expect.poll(asked).toEqual([{ kind: "search_logs", filter: { ...noFilter, range: "today" } }]);
  await desk.push({ logs: { head: office.head({ stretch: { from: new Date(2026, 2, 4).getTime(), until: null } }), rows: null } });
  await expect(page.getByTestId("range-from")).toHaveValue("2026-03-04");
  await page.clock.runFor(20_000);
  await expect.poll(async () => (await asked()).length, "asked again on the next day").toBe(2);
  expect((await asked())[1]).toEqual((await asked())[0]);
  await page.getByTestId("range-until").fill("2026-03-04");
  await expect
    .poll(() => last(desk))
    .toEqual({ kind: "search_logs", filter: { ...noFilter, from: new Date(2026, 2, 4).getTime(), until: new Date(2026, 2, 5).getTime() } });
  const sums = (await desk.calls("wish")).map(({ wish }) => wish).filter((wish) => (wish as { kind: string }).kind === "summarise");
  expect(sums.at(-1)).toEqual({ kind: "summarise", stretch: [new Date(2026, 2, 5).getTime(), new Date(2026, 2, 6).getTime()] });
});

test("the counts of another filter are dim until this one's are here", async ({ desk, page }) => {
  await desk.open(list(2));
  await page.getByTestId("filter-button").click();
  const shown = [page.getByTestId("chip-missed").locator(".figures"), page.getByTestId("count-answered-ravi"), page.getByTestId("logs-total")];
  for (const count of shown) await expect(count).not.toHaveClass(/outdated/);
  await desk.push({ logs: { head: office.head({ counts_outdated: true }), rows: null } });
  for (const count of shown) await expect(count).toHaveClass(/outdated/);
  await expect(page.getByTestId("filter-total")).toHaveText("Counting…");
  await expect(page.getByTestId("filter-quality").locator("option").nth(1)).toHaveText("Less than good");
});

test("views are saved under a name, chosen and removed", async ({ desk, page }) => {
  const kept = { ...noFilter, outcomes: ["missed" as const], from: 1_000 };
  await desk.open(list(2, { saved: [{ name: "Old", filter: kept }] }));
  await page.getByTestId("filter-button").click();
  await page.getByTestId("range-today").click();
  await page.keyboard.press("Escape");
  await page.getByTestId("views-button").click();
  await page.getByTestId("view-name").fill(" Today's ");
  await page.keyboard.press("Enter");
  await expect.poll(() => last(desk)).toEqual({ kind: "save_view", name: "Today's" });
  const today = { ...noFilter, range: "today" as const };
  const saved = [{ name: "Old", filter: kept }, { name: "Today's", filter: today }];
  await desk.push({ logs: { head: office.head({ saved }), rows: null } });
  await expect(page.getByTestId("views-button")).toHaveText("Today's");
  await page.getByTestId("views-button").click();
  await page.getByTestId("view-choose").nth(0).click();
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: kept });
  await expect(page.getByTestId("views-button")).toHaveText("Old");
  await page.getByTestId("views-button").click();
  await page.getByTestId("view-choose").nth(1).click();
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: today });
  await page.getByTestId("views-button").click();
  await page.getByTestId("view-remove").nth(0).click();
  await expect.poll(() => last(desk)).toEqual({ kind: "remove_view", name: "Old" });
});

test("columns are chosen, made wider by keys and by the mouse, and kept", async ({ desk, page }) => {
  await desk.open(list(3));
  const heads = page.getByRole("grid", { name: "Past calls" }).getByRole("columnheader");
  await expect(heads).toHaveText(["Time", "Caller", "Direction", "Outcome", "Answered by", "Department", "Duration", "Marks", "Actions"]);
  await page.getByTestId("columns-button").click();
  await page.getByTestId("column-direction").uncheck();
  await page.getByTestId("column-waited").check();
  await page.getByTestId("wider-department").focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  const department = page.locator("[data-column=department]");
  const width = async () => (await department.boundingBox())!.width;
  await expect.poll(width).toBe(8.5 * 16);
  const edge = await department.getByTestId("column-edge").boundingBox();
  await page.mouse.move(edge!.x + 4, edge!.y + 4);
  await page.mouse.down();
  await page.mouse.move(edge!.x + 4 - 32, edge!.y + 4);
  await page.mouse.up();
  await expect.poll(width).toBe(6.5 * 16);
  const wishes = await desk.wishes();
  expect(wishes, "dragging is one change").toHaveLength(6);
  const kept = wishes.at(-1)!;
  if (kept.kind !== "set_columns") throw new Error(kept.kind);
  expect(kept.columns.filter(({ width }) => width !== null)).toEqual([{ id: "department", shown: true, width: 650 }]);
  expect(kept.columns.filter(({ shown }) => !shown).map(({ id }) => id)).toEqual(["direction", "dialled", "disposition"]);
  // As another person has them; and as this one, when the app is started again.
  await desk.push({ logs: { head: office.head({ columns: [] }), rows: null } });
  await desk.push({ logs: { head: office.head({ columns: [{ id: "direction", shown: false, width: null }] }), rows: null } });
  await expect(heads).toHaveText(["Time", "Caller", "Outcome", "Answered by", "Department", "Duration", "Marks", "Actions"]);
  await desk.push({ logs: { head: office.head({ columns: [...kept.columns, { id: "of a later version", shown: true, width: 1 }] }), rows: null } });
  await expect(heads).toHaveText(["Time", "Caller", "Outcome", "Answered by", "Department", "Waited", "Duration", "Marks", "Actions"]);
  await expect.poll(width).toBe(6.5 * 16);
  await page.getByTestId("columns-button").click();
  await page.getByTestId("columns-reset").click();
  await expect(heads).toContainText(["Time", "Caller", "Direction"]);
  await expect(page.getByTestId("columns-panel")).toBeVisible();
});

test("with little room, columns go; the caller stays", async ({ desk, page }) => {
  await page.setViewportSize({ width: 640, height: 600 });
  await desk.open(list(3));
  const heads = page.getByRole("grid", { name: "Past calls" }).getByRole("columnheader");
  await expect(heads.first()).toHaveText("Time");
  await expect(heads).not.toContainText(["Department"]);
  expect((await page.locator("[data-column=caller]").boundingBox())!.width).toBeGreaterThan(100);
  await page.getByTestId("columns-button").click();
  await expect(page.getByTestId("columns-panel").getByRole("row", { name: "Department" })).toContainText("no room now");
});

test.describe("in Berlin", () => {
  test.use({ timezoneId: "Europe/Berlin" });

  test("times are relative today, days and dates before; the whole is in the title", async ({ desk, page }) => {
    const ago = [13 * 60_000, 3 * 3_600_000, 20 * 3_600_000, 40 * 86_400_000, 100 * 86_400_000];
    const rows = ago.map((ms, n) => ({ ...office.rows(n + 1)[n]!, started_at: office.at + 754_000 - ms }));
    await desk.open(office.view({ logs: { head: office.head(), rows } }));
    const time = (n: number) => page.getByTestId("log-row").nth(n).getByRole("gridcell").first();
    await expect(time(0)).toHaveText("13 min. ago");
    await expect(time(0)).toHaveAttribute("data-tip", /Wednesday, March 4, 2026 at \d\d:\d\d:34/);
    await expect(time(1)).toHaveText("3 hr. ago");
    await expect(time(2)).toHaveText(/^Tue \d\d:\d\d$/);
    await expect(time(3)).toHaveText(/^Jan 23 \d\d:\d\d$/);
    await expect(time(4)).toHaveText("Nov 24, 2025");
  });
});

test("a row says what is particular about its call, in signs that have words", async ({ desk, page }) => {
  await desk.open(office.view({ logs: { head: office.head(), rows: office.particular() } }));
  const row = (n: number) => page.getByTestId("log-row").nth(n);
  await expect(row(0).getByTestId("row-play")).toHaveAttribute("data-state", "unheard");
  await expect(row(0).getByRole("button", { name: "Play the message of Priya Nair, not heard yet" })).toBeVisible();
  await expect(row(0).getByTestId("mark-came-back")).toHaveText("Transferred, came back");
  await expect(row(0).getByTestId("mark-note")).toHaveText("Call back: Refund of order 4411 promised for Friday.");
  await expect(row(0).getByTestId("mark-sound")).toHaveText("Sounded bad (2.54)");
  await expect(row(1).getByTestId("mark-transferred")).toHaveText("Transferred");
  await expect(row(2).getByTestId("row-play")).toHaveAttribute("data-state", "heard");
  await expect(row(4).getByTestId("mark-unsent")).toHaveText("Not sent yet: Called twice");
  await expect(row(5).getByTestId("mark-conflict")).toBeVisible();
  await expect(row(6).getByTestId("mark-note")).toHaveText("Resolved");
  await row(2).getByTestId("row-play").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "play_message", call: "7f3a-2" });
});

test("the list from the keyboard: pages, ends, details, menu", async ({ desk, page }) => {
  await desk.open(list(100));
  const row = (n: number) => page.locator(`[data-testid=log-row][data-place="${n}"]`);
  await row(0).focus();
  await page.keyboard.press("End");
  await expect(row(99)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(row(0)).toBeFocused();
  await page.keyboard.press("PageDown");
  await expect(row(0)).not.toBeFocused();
  await page.keyboard.press("PageUp");
  await page.keyboard.press("ArrowDown");
  await expect(row(1)).toBeFocused();
  await page.keyboard.press("Shift+F10");
  await expect(page.getByRole("menuitem", { name: "Call back" })).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByTestId("menu-link")).toBeFocused();
  await page.keyboard.press("o");
  await expect(page.getByTestId("menu-open")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("menu")).toHaveCount(0);
  await expect(row(1)).toBeFocused();
  await page.keyboard.press("ContextMenu");
  await page.keyboard.press("Enter");
  await expect(row(1)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "dial", number: "+351912345678" }, { kind: "open_details", call: "7f3a-1" }]);
});

test("open details follow the keys: one by one, or where a held key stops; Escape closes them", async ({ desk, page }) => {
  await page.clock.install({ time: office.at });
  const rows = office.rows(30);
  await desk.open(office.view({ logs: { head: office.head(), rows } }));
  await page.clock.pauseAt(office.at + 3_600_000);
  const row = (n: number) => page.locator(`[data-testid=log-row][data-place="${n}"]`);
  const open = (n: number) => ({ kind: "open_details" as const, call: rows[n]!.id });
  const answer = (n: number) => desk.push({ details: { open: office.ready({ ...office.records(30)[n]!, id: rows[n]!.id }) } });
  await row(0).focus();
  await page.keyboard.press("ArrowDown");
  await page.clock.runFor(1_000);
  expect(await desk.wishes(), "nothing is open").toEqual([]);
  await answer(1);
  await expect(row(1)).toHaveAttribute("aria-selected", "true");

  await page.keyboard.press("ArrowDown");
  await expect.poll(() => desk.wishes(), "at once").toEqual([open(2)]);
  await answer(2);
  for (let n = 0; n < 10; n++) await page.keyboard.press("ArrowDown");
  await page.clock.runFor(1_000);
  await expect.poll(() => desk.wishes()).toEqual([open(2), open(12)]);
  await answer(12);
  await expect(row(12)).toHaveAttribute("aria-selected", "true");
  await expect(row(12)).toBeFocused();
  await page.keyboard.press("Home");
  await answer(0);
  await page.clock.runFor(1_000);
  await page.keyboard.press("End");
  await answer(29);
  await page.clock.runFor(1_000);
  await page.keyboard.press("ContextMenu");
  await page.keyboard.press("Escape");
  await expect(row(29), "Escape has closed the menu only").toBeFocused();
  await page.keyboard.press("Escape");
  await expect.poll(() => desk.wishes()).toEqual([open(2), open(12), open(0), open(29), { kind: "close_details" }]);
  await desk.push({ details: { open: null } });
  await expect(row(29)).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await page.clock.runFor(1_000);
  await expect(row(28)).toBeFocused();
  expect(await desk.wishes(), "nothing is open any more").toHaveLength(5);
});

test("the menu: what can't be done says why; copies are in the clipboard", async ({ desk, page }) => {
  const down = { kind: "down" as const, since: office.at, why: "No.", retry_at: null };
  await desk.open({ ...list(5), link: { control: { kind: "up" }, registration: down, exchange: null } });
  await page.getByTestId("log-row").nth(1).click({ button: "right" });
  await expect(page.getByTestId("menu-call")).toHaveAccessibleDescription("Your phone is not connected to the exchange, so it can't call now.");
  await expect(page.getByTestId("menu-play")).toHaveAccessibleDescription("Nobody left a message.");
  await expect(page.getByTestId("menu-call")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("menu-call")).toBeFocused();
  await page.getByTestId("menu-copy").click();
  await page.getByTestId("log-search").focus();
  await page.keyboard.press("Control+v");
  await expect(page.getByTestId("log-search")).toHaveValue("+351912345678");
  await page.getByTestId("log-menu").nth(1).click();
  await page.getByTestId("menu-link").click();
  await page.getByTestId("dial").focus();
  await page.keyboard.press("Control+v");
  await expect(page.getByTestId("dial")).toHaveValue("patchcord:call/7f3a-1");
  expect((await desk.wishes()).map(({ kind }) => kind)).toEqual(["search_logs"]);
});

test("an empty list teaches: none yet, none found, offline, being fetched", async ({ desk, page }) => {
  const empty = (rest: object) => desk.push({ logs: { head: office.head(rest), rows: null } });
  await desk.open(office.view());
  await expect(page.getByTestId("logs-empty")).toContainText("No calls yet");
  await empty({ sync: { kind: "offline" } });
  await expect(page.getByTestId("logs-empty")).toContainText("Once it can, your calls are fetched");
  await empty({ sync: { kind: "syncing", done: 0, percent: 0 } });
  await expect(page.getByTestId("logs-empty")).toContainText("Fetching your calls");
  await page.getByTestId("log-search").fill("zz");
  await expect(page.getByTestId("logs-empty")).toContainText("No call matches");
  await page.getByTestId("logs-clear").click();
  await expect(page.getByTestId("log-search")).toHaveValue("");
  await expect.poll(() => last(desk)).toEqual({ kind: "search_logs", filter: noFilter });
});
