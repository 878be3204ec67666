// One call: its journey, sound, identifiers, note, message.
import type { CallRecord, Unsent } from "../src/bindings";
import { expect, test, type Desk } from "./desk";
import * as office from "./office";

const opened = (record: CallRecord = office.full, unsent: Unsent | null = null) =>
  office.view({ logs: office.logs(5), details: office.ready(record, unsent) });
const show = (desk: Desk, record: CallRecord, unsent: Unsent | null = null) => desk.push({ details: { open: office.ready(record, unsent) } });
const last = async (desk: Desk) => (await desk.wishes()).at(-1);
const other: CallRecord = { ...office.full, id: "7f3a-1", remarks: null, voicemail: null };

test("the journey says how long each stretch was, and whom the call reached in vain", async ({ desk, page }) => {
  await desk.open(opened());
  await expect(page.getByTestId("journey-sums").getByRole("listitem")).toHaveText([
    "Waited 0:06", "Talked with Mina Shah 1:05", "On hold 0:43", "Talked with +442079460812 0:10", "Talked with João Pereira 1:00",
  ]);
  await expect(page.getByTestId("journey-chain")).toHaveText("In vain: rang Ravi 20\u00a0s");
  await expect(page.getByTestId("journey").locator("ol > li").nth(4)).toContainText(/Maya Lindqvist transferred to Ravi Kumar.*Refund question.*On hold 0:20/);
});

test("sound by leg in words and figures; identifiers are copied whole", async ({ desk, page }) => {
  await desk.open(opened());
  await expect(page.getByTestId("quality-leg")).toHaveText([
    /Priya Nair\s*opus,\s*encrypted\s*good\s*4\.18\s*0\.2%\s*6 ms\s*48 ms/, /Mina Shah\s*G\.722, not encrypted\s*Packets late on the way from Mina Shah\s*fair\s*3\.72\s*1\.8%\s*21 ms\s*130 ms/, /\+442079460812\s*PCMA\s*9 % lost on the way to \+442079460812\s*bad\s*2\.54\s*9\.1%\s*60 ms\s*–/,
  ]);
  await page.getByTestId("identifiers-copy").click();
  await expect(page.getByTestId("identifiers-copy")).toHaveText("Copied");
  await page.getByTestId("remarks-note").fill("");
  await page.keyboard.press("Control+v");
  await expect(page.getByTestId("remarks-note")).toHaveValue(/Call: 7f3a-0\nLink: patchcord:call\/7f3a-0\nRecord: 1000\nTransfers: t1, t2, t3\nExchange: https:/);
});

test("a link to the call that is open already shows it from any screen", async ({ desk, page }) => {
  await desk.open(opened());
  await page.getByTestId("nav-settings").click();
  await expect(page.getByTestId("details")).toHaveCount(0);
  await desk.push({ details: { open: { kind: "loading", call: office.full.id } } });
  await show(desk, office.full);
  await expect(page.getByTestId("details")).toBeVisible();
});

test("a note and a disposition are saved with the revision that was seen", async ({ desk, page }) => {
  await desk.open(opened());
  const note = page.getByTestId("remarks-note");
  await expect(note).toHaveValue("Refund of order 4411 promised for Friday.");
  await expect(page.getByTestId("remarks-save")).toHaveCount(0);
  await page.getByTestId("remarks-disposition").selectOption("resolved");
  await note.fill("  Paid.\n");
  await note.press("Control+Enter");
  await expect.poll(() => last(desk)).toEqual({ kind: "write_remarks", call: office.full.id, base: 2, note: "Paid.", disposition: "resolved" });
  await expect(page.getByTestId("remarks-state")).toHaveText("Saving…");
  const mine = { ...office.unsent, note: "Paid.", disposition: "resolved" };
  await desk.push({ link: { control: { kind: "down", since: office.at, why: "No answer.", retry_at: null }, registration: { kind: "up" }, exchange: null } });
  await show(desk, office.full, mine);
  await expect(page.getByTestId("remarks-state")).toHaveText("Not sent yet: it will be sent when the exchange is back");
  await show(desk, { ...office.full, seq: 1001, remarks: { revision: 3, note: "Paid.", disposition: "resolved", by: { id: "maya", name: "Maya Lindqvist" }, at: office.at } });
  await expect(page.getByTestId("remarks-state")).toHaveText(/^Maya Lindqvist, /);
  await expect(note).toHaveValue("Paid.");
});

test("a half-typed note outlives patches, other calls and closed details", async ({ desk, page }) => {
  await desk.open(opened());
  const note = page.getByTestId("remarks-note");
  await note.fill("Half a sen");
  await show(desk, { ...office.full, seq: 1001, remarks: { ...office.full.remarks!, revision: 3, note: "Ravi was faster." } });
  await expect(note).toHaveValue("Half a sen");
  await expect(note).toBeFocused();
  await expect(page.getByTestId("remarks-overtaken")).toContainText("Ravi Kumar has written meanwhile: “Ravi was faster.”");
  await show(desk, other);
  await expect(note).toHaveValue("");
  await note.fill("Another");
  await desk.push({ details: { open: null } });
  await expect(page.getByTestId("details")).toHaveCount(0);
  await show(desk, office.full);
  await expect(note).toHaveValue("Half a sen");
  await page.getByTestId("remarks-save").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "write_remarks", call: office.full.id, base: 2, note: "Half a sen", disposition: "call_back" });
  await show(desk, other);
  await expect(note).toHaveValue("Another");
  await page.getByTestId("remarks-discard").click();
  await expect(note).toHaveValue("");
});

test("what was being written when the app was last ended is taken up, kept and dropped", async ({ desk, page }) => {
  const { id } = office.full;
  const draft = { call: id, base: 1, note: "Half a ", disposition: "resolved" };
  await desk.open({ ...opened(), details: office.ready(office.full, null, { draft }) });
  const note = page.getByTestId("remarks-note");
  await expect(note).toHaveValue("Half a ");
  await expect(page.getByTestId("remarks-disposition")).toHaveValue("resolved");
  await expect(page.getByTestId("remarks-state")).toHaveText("Not saved yet");
  await note.fill("Half a sen");
  const kept = async () => (await desk.all()).filter(({ kind }) => kind.includes("draft")).at(-1);
  await expect.poll(kept).toEqual({ kind: "draft_remarks", draft: { ...draft, note: "Half a sen" } });
  await page.getByTestId("remarks-discard").click();
  await expect.poll(kept).toEqual({ kind: "drop_draft", call: id });
  await desk.push({ details: { open: office.ready({ ...office.full, seq: 1001 }, null, { draft }) } });
  await expect(note, "what was given up does not come back").toHaveValue(office.full.remarks!.note);
});

test("why a note is not taken stands beside it", async ({ desk, page }) => {
  const { theirs: _, ...unsent } = office.conflict;
  await desk.open({ ...opened(), details: office.ready(office.full, { ...unsent, theirs: null }, { refused: "There is no such call." }) });
  await expect(page.getByTestId("remarks-refused")).toContainText("There is no such call. It is kept on this computer");
  await expect(page.getByTestId("remarks-state")).toHaveText("Not sent");
});

test("a note that is too long is not saved, and says so; 2,000 characters are", async ({ desk, page }) => {
  await desk.open(opened());
  await page.getByTestId("remarks-note").fill("😀".repeat(2_001));
  await expect(page.getByTestId("remarks-state")).toHaveText("The note is too long: 2001 of 2000 characters. Make it shorter.");
  await page.getByTestId("remarks-note").press("Control+Enter");
  await page.getByTestId("remarks-note").fill("😀".repeat(2_000));
  await page.getByTestId("remarks-note").press("Control+Enter");
  await expect.poll(async () => (await desk.wishes()).map(({ kind }) => kind)).toEqual(["write_remarks"]);
});

test("a conflict shows both notes side by side until one is chosen", async ({ desk, page }) => {
  await desk.open(opened(office.full, office.conflict));
  await expect(page.getByTestId("conflict-mine")).toContainText("She will send the receipt.");
  await expect(page.getByTestId("conflict-mine")).toContainText("Resolved");
  await expect(page.getByTestId("conflict-theirs")).toContainText(/Ravi Kumar.*Refund was paid today\./);
  await expect(page.getByTestId("remarks-note")).toHaveCount(0);
  await page.getByTestId("keep-theirs").click();
  await page.getByTestId("keep-mine").click();
  await expect.poll(() => desk.wishes()).toEqual(["theirs", "mine"].map((resolution) => ({ kind: "resolve_remarks", call: office.full.id, resolution })));
  await show(desk, { ...office.full, seq: 1001, remarks: office.conflict.theirs });
  await expect(page.getByTestId("remarks-note")).toHaveValue("Refund was paid today.");
  await expect(page.getByTestId("remarks-note")).toBeFocused();
});

test("a disposition that is no longer configured is still shown", async ({ desk, page }) => {
  await desk.open(opened({ ...office.full, remarks: { ...office.full.remarks!, disposition: "old_word" } }));
  await expect(page.getByTestId("remarks-disposition")).toHaveValue("old_word");
  await expect(page.getByTestId("remarks-disposition").locator("option:checked")).toHaveText("old_word (not in use any more)");
});

test("Note… in the menu leads into the note", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(5) }));
  await page.getByTestId("log-row").first().click({ button: "right" });
  await page.getByTestId("menu-note").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "open_details", call: office.full.id });
  await desk.push({ details: { open: { kind: "loading", call: office.full.id } } });
  await show(desk, office.full);
  await expect(page.getByTestId("remarks-note")).toBeFocused();
});

test("details that are opened from elsewhere show the logs", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(5) }));
  await page.getByTestId("nav-settings").click();
  await show(desk, office.full);
  await expect(page.getByTestId("details")).toBeVisible();
  await page.getByTestId("details-call").click();
  await expect.poll(() => last(desk)).toEqual({ kind: "dial", number: "+919812345678" });
});

test("a message is played, moved in, sped up and closed; unheard becomes heard", async ({ desk, page }) => {
  await desk.open(opened());
  await expect(page.getByTestId("message-heard")).toHaveText("Nobody has heard it yet");
  await page.getByTestId("player-toggle").click();
  await desk.push({ player: { open: office.player({ state: { kind: "loading" }, position_ms: 0, duration_ms: 0 }) } });
  await expect(page.getByTestId("player")).toContainText("Getting the message…");
  await desk.push({ player: { open: office.player({ state: { kind: "playing" } }) } });
  await expect(page.getByTestId("player-time")).toHaveText("0:12 / 0:42");
  const slider = page.getByTestId("player-position");
  await expect(slider).toHaveAttribute("aria-valuetext", "0:12 of 0:42");
  await slider.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.getByTestId("player-speed").selectOption("150");
  await page.getByTestId("player-toggle").click();
  await desk.push({ player: { open: office.player({ state: { kind: "paused" }, position_ms: 14_000, speed: 150 }) } });
  await expect(slider).toHaveAttribute("aria-valuetext", "0:14 of 0:42");
  await show(desk, { ...office.full, seq: 1001, voicemail: { ...office.full.voicemail!, heard: { by: { id: "maya", name: "Maya Lindqvist" }, at: office.at } } });
  await expect(page.getByTestId("message-heard")).toHaveText(/^Heard by Maya Lindqvist, /);
  await page.getByTestId("player-close").click();
  await expect.poll(() => desk.wishes()).toEqual([
    { kind: "play_message", call: office.full.id }, { kind: "seek_message", ms: 13_000 }, { kind: "seek_message", ms: 14_000 }, { kind: "speed_message", percent: 150 },
    { kind: "pause_message" }, { kind: "close_message" },
  ]);
});

test("a message goes on being played while one looks elsewhere, and a failure is said", async ({ desk, page }) => {
  await desk.open({ ...opened(), player: office.player({ state: { kind: "playing" } }) });
  await expect(page.getByTestId("player")).toHaveCount(1);
  await expect(page.getByTestId("playing")).toHaveCount(0);
  await page.getByTestId("nav-settings").click();
  await expect(page.getByTestId("playing")).toContainText("Message of Priya Nair");
  await desk.push({ player: { open: office.player({ state: { kind: "failed", sentence: "The message is not on this computer, and the exchange can't be reached." } }) } });
  await expect(page.getByTestId("player-failed")).toHaveText("The message is not on this computer, and the exchange can't be reached.");
});

test("who alone had the call is named when they hung up", async ({ desk, page }) => {
  const agents = [{ id: "mina", name: "Mina Shah" }];
  const journey = [...office.full.journey.filter((step) => step.event !== "ended"), { at: office.full.ended_at, event: "ended" as const, because: "agent_gone" as const }];
  await desk.open(office.view({ logs: office.logs(3), details: office.ready({ ...office.full, agents, journey }) }));
  await expect(page.getByTestId("journey")).toContainText("Ended: Mina Shah hung up");
  await desk.push({ details: { open: office.ready({ ...office.full, agents: [...agents, { id: "ravi", name: "Ravi Kumar" }], journey }) } });
  await expect(page.getByTestId("journey")).toContainText("Ended: the colleague hung up");
});
