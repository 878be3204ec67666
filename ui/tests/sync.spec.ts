// Offline, fetching, export, keeping, today, signing out.
import { expect, test, type Desk } from "./desk";
import * as office from "./office";
import type { LogsHead } from "../src/bindings";

const head = (desk: Desk, rest: Partial<LogsHead>) => desk.push({ logs: { head: office.head(rest), rows: null } });
const last = async (desk: Desk) => (await desk.wishes()).at(-1);

test("the first fetching shows how far it is, stops and goes on", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(3, { sync: { kind: "syncing", done: 412_000, percent: 41 } }) }));
  await expect(page.getByTestId("logs-sync")).toHaveText("Fetching calls: 412,000 so far, 41 %");
  await expect(page.getByRole("progressbar", { name: "Fetching calls" })).toHaveAttribute("value", "41");
  await page.getByTestId("sync-stop").focus();
  await page.keyboard.press("Enter");
  await head(desk, { sync: { kind: "stopped", done: 412_000, percent: 41 } });
  await expect(page.getByTestId("logs-sync")).toHaveText("Fetching was stopped at 41 %: newer calls are missing");
  await expect(page.getByTestId("sync-continue")).toBeFocused();
  await page.keyboard.press("Enter");
  await head(desk, { sync: { kind: "up_to_date" } });
  await expect(page.getByTestId("logs-sync")).toHaveText("Up to date");
  await expect(page.getByRole("progressbar")).toHaveCount(0);
  expect(await desk.wishes()).toEqual([{ kind: "stop_sync" }, { kind: "continue_sync" }]);
});

test("offline says as of when and what can't be done; what waits and what is missing is said too", async ({ desk, page }) => {
  await desk.open(office.offline());
  await expect(page.getByTestId("logs-sync")).toHaveText(/^As of .*\d\d:\d\d, offline$/);
  await expect(page.getByTestId("offline-means")).toContainText("Not possible now: transfers, newer calls");
  await head(desk, { sync: { kind: "offline" }, unsent: 2, conflicts: 1, conflict: "7f3a-9", complete_from: new Date(2026, 0, 5).getTime() });
  await expect(page.getByTestId("unsent")).toHaveText("2 notes wait to be sent");
  await expect(page.getByTestId("complete-from")).toHaveText("Since Jan 5, 2026 on this computer");
  await page.getByTestId("conflict-open").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "open_details", call: "7f3a-9" });
});

test("an export is begun from a menu, told of, cancelled, and its path said", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(3) }));
  await page.getByTestId("export").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("export")).toBeFocused();
  await expect.poll(() => desk.calls("export_logs")).toEqual([{ format: "json_lines", name: expect.stringMatching(/^Calls 2026-03-0[45]$/) as unknown }]);
  await expect(page.getByTestId("export-status"), "nothing is said until a file is chosen").toBeEmpty();
  await head(desk, { export: { kind: "going", done: 500, total: 1204 } });
  await expect(page.getByTestId("export-status")).toContainText("Exporting 500 of 1,204 calls");
  await page.getByTestId("export").click();
  await expect(page.getByTestId("menu-csv")).toHaveAttribute("aria-disabled", "true");
  await page.keyboard.press("Escape");
  await page.getByTestId("export-cancel").click();
  await expect(page.getByTestId("export")).toBeFocused();
  await expect.poll(() => last(desk)).toEqual({ kind: "cancel_export" });
  await head(desk, { export: { kind: "done", path: "/home/maya/Downloads/Calls 2026-03-04.csv", calls: 1204 } });
  await expect(page.getByTestId("export-status")).toContainText("1,204 calls are in /home/maya/Downloads/Calls 2026-03-04.csv");
  await page.getByTestId("export-copy").click();
  await expect(page.getByTestId("export-copy")).toHaveText("Copied");
  await head(desk, { export: { kind: "failed", sentence: "The disk is full. Make room and export again." } });
  await expect(page.getByTestId("export-status")).toContainText("The disk is full.");
  await page.getByTestId("export-dismiss").click();
  await head(desk, {});
  await expect(page.getByTestId("export-status")).toBeEmpty();
});

test("today in figures, as bars and as a table; nothing is asked for while it is folded", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(3) }));
  const { sums } = office.summary();
  await expect(page.getByTestId("today-answered")).toHaveText(String(sums.answered));
  await expect(page.getByTestId("today-wait")).toHaveText("0:09");
  await page.getByTestId("today-as-table").click();
  const rows = page.getByTestId("today-table").getByRole("row");
  await expect(rows.nth(0)).toHaveText(/Hour\s*Calls\s*Answered\s*Missed\s*Transferred/);
  await expect(rows.nth(3).getByRole("cell")).toHaveText(["15", "12", "1", "2"]);
  await expect(rows).toHaveCount(1 + sums.hours.filter(({ calls }) => calls > 0).length);
  await page.reload();
  await expect(page.getByTestId("today-table")).toBeVisible();
  await page.getByTestId("today-toggle").click();
  await expect(page.getByTestId("today-answered")).toHaveCount(0);
  const asked = (await desk.calls("wish")).map(({ wish }) => wish as { kind: string; stretch: unknown }).filter(({ kind }) => kind === "summarise");
  const from = office.summary().from;
  expect(asked[0]?.stretch).toEqual([from, from + 86_400_000]);
  expect(asked.at(-1)?.stretch).toBeNull();
});

test("how much is kept is set under Settings", async ({ desk, page }) => {
  await desk.open(office.view());
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("keep-days").fill("90");
  await page.getByTestId("keep-days").press("Enter");
  await expect.poll(() => last(desk)).toEqual({ kind: "keep_logs", days: 90, megabytes: 512 });
  await desk.push({ keeping: { days: 90, megabytes: 512 } });
  await page.getByTestId("keep-megabytes").fill("4");
  await page.getByTestId("keep-megabytes").press("Enter");
  await expect.poll(() => last(desk)).toEqual({ kind: "keep_logs", days: 90, megabytes: 16 });
  await desk.push({ keeping: { days: 90, megabytes: 16 } });
  await expect(page.getByTestId("keep-megabytes")).toHaveValue("16");
  await page.getByTestId("keep-days").fill("");
  await page.getByTestId("keep-days").press("Enter");
  await expect.poll(() => last(desk)).toEqual({ kind: "keep_logs", days: null, megabytes: 16 });
});

test("signing out asks whether the calls go from this computer, and says which notes would be lost", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(3, { unsent: 1, conflicts: 1 }) }));
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("sign-out").click();
  await expect(page.getByTestId("sign-out-unsent")).toContainText("2 notes of yours are not sent yet. “Sign out and remove” loses them");
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("sign-out-dialog")).toBeHidden();
  expect(await desk.wishes()).toEqual([]);
  await head(desk, {});
  await page.getByTestId("sign-out").click();
  await expect(page.getByTestId("sign-out-unsent")).toHaveCount(0);
  await page.getByTestId("sign-out-forget").click();
  await page.getByTestId("sign-out").click();
  await page.getByTestId("sign-out-keep").click();
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "sign_out", forget: true }, { kind: "sign_out", forget: false }]);
});
