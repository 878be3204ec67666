// The rest of the desk: sign-in, live calls in numbers, the phone, rings, logs.
import { expect, test } from "./desk";
import * as office from "./office";
import type { SoundTestStage, SoundVerdict } from "../src/bindings";

test("sign-in sends what was typed once, and waits at the password", async ({ desk, page }) => {
  await desk.open(office.signedOut());
  await expect(page.getByTestId("sign-in-password")).toBeFocused();
  await page.keyboard.type("secret");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.calls("sign_in")).toEqual(
    [{ address: "https://exchange.northwind.example:7443", user: "maya", password: "secret" }]);
  await desk.push({ session: { kind: "signed_out", address: "a", user: "maya", error: "User or password is not right." } });
  await expect(page.getByTestId("sign-in-error")).toHaveText("User or password is not right.");
  await expect(page.getByTestId("sign-in-password")).toHaveValue("");
});

test("a new exchange's fingerprint is shown in groups, and Stop has the focus", async ({ desk, page }) => {
  await desk.open(office.fingerprint);
  await expect(page.getByTestId("fingerprint").getByText("3A7F", { exact: true })).toBeVisible();
  await expect(page.getByTestId("fingerprint-refuse")).toBeFocused();
  await page.getByTestId("fingerprint-accept").click();
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "accept_fingerprint" }]);
});

test("live calls are there only while there are any", async ({ desk, page }) => {
  await desk.open(office.view());
  await expect(page.getByTestId("logs-empty")).toContainText("No calls yet");
  await expect(page.getByTestId("live-widget")).toHaveCount(0);
  await desk.push({ live: { as_of: office.at, reset: false, changed: [office.talking], gone: [] } });
  await expect(page.getByTestId("live-row")).toHaveCount(1);
  await expect(page.getByTestId("live-row")).toContainText("Priya Nair");
  await expect(page.getByTestId("live-duration")).toHaveText(/^12:3\d$/);
  await desk.push({ live: { as_of: office.at, reset: true, changed: office.many(200), gone: [] } });
  await expect(page.getByTestId("live-count")).toHaveText("200");
  expect(await page.getByTestId("live-row").count()).toBeLessThan(40);
  await page.keyboard.press("Control+Shift+L");
  await page.keyboard.press("End");
  await expect(page.locator("[data-call=m199]")).toBeFocused();
  await desk.push({ live: { as_of: office.at, reset: true, changed: [], gone: [] } });
  await expect(page.getByTestId("live-widget")).toHaveCount(0);
});

for (const [width, height] of [[1280, 800], [900, 480], [640, 400]] as const) {
  test(`what has the focus never lies beneath the live calls, ${width} × ${height}`, async ({ desk, page }) => {
    await page.setViewportSize({ width, height });
    await desk.open(office.view({ live: { as_of: office.at, calls: office.few }, logs: office.logs(60) }));
    await page.getByTestId("log-row").first().focus();
    const widget = await page.getByTestId("live-widget").boundingBox();
    for (let i = 0; i < 25; i++) {
      await page.keyboard.press("ArrowDown");
      await expect(page.locator(`[data-testid=log-row][data-place="${i + 1}"]`)).toBeFocused();
      const row = await page.locator(":focus").boundingBox();
      expect(row!.y + row!.height).toBeLessThanOrEqual(widget!.y + 1);
      expect(row!.y).toBeGreaterThanOrEqual(0);
    }
  });
}

test("the live calls leave the details whole, at every width that shows both", async ({ desk, page }) => {
  await desk.open(office.view({ live: { as_of: office.at, calls: office.few }, logs: office.logs(60), details: office.ready() }));
  for (const width of [1280, 1200, 1000, 840]) {
    await page.setViewportSize({ width, height: 800 });
    await expect.poll(async () => {
      const [widget, details] = [await page.getByTestId("live-widget").boundingBox(), await page.getByTestId("details").boundingBox()];
      return widget!.x + widget!.width <= details!.x;
    }).toBe(true);
  }
});

test("when the chosen live call ends, no other call takes its place", async ({ desk, page }) => {
  await desk.open(office.view({ live: { as_of: office.at, calls: office.few.slice(0, 1).concat(office.live("c8", "Otto Brandt", { kind: "talking", with: { id: "mina", name: "Mina Shah" } })) } }));
  await page.getByTestId("live-row").first().focus();
  await desk.push({ live: { as_of: office.at, reset: false, changed: [], gone: ["c1"] } });
  await expect(page.getByTestId("live-row")).toHaveCount(1);
  await expect(page.getByRole("grid", { name: "Live calls" })).toBeFocused();
  await page.keyboard.press("Control+Shift+T");
  await expect(page.getByRole("grid", { name: "Live calls" })).not.toBeFocused();
  expect(await desk.wishes()).toEqual([]);
});

test("the phone's keys: answer, mute, hold, decline before hanging up", async ({ desk, page }) => {
  await desk.open(office.view({ phone: { calls: [office.ownCall], trouble: null, offered: null }, rings: [office.ring] }));
  await page.getByTestId("own-call").waitFor();
  for (const key of "AMHD") await page.keyboard.press(`Control+Shift+${key}`);
  await desk.push({ rings: [] });
  await expect(page.getByTestId("ring-line")).toHaveCount(0);
  await page.keyboard.press("Control+Shift+D");
  await expect.poll(() => desk.wishes()).toEqual([
    { kind: "answer", id: 7 }, { kind: "mute", id: 3, muted: true }, { kind: "hold", id: 3, held: true },
    { kind: "decline", id: 7 }, { kind: "hang_up", id: 3 },
  ]);
});

test("a number of a link is ready to be called, and nobody is called", async ({ desk, page }) => {
  const offer = (number: string, at: number) => desk.push({ phone: { ...office.view().phone, offered: { number, at } } });
  await desk.open(office.view({ phone: { ...office.view().phone, offered: { number: "+44 20 7946 0018", at: 1 } } }));
  const dial = page.getByTestId("dial");
  await expect(dial).toHaveValue("+44 20 7946 0018");
  await expect(dial).toBeFocused();
  expect(await desk.wishes()).toEqual([]);
  await dial.fill("103");
  await desk.push({ rings: [office.ring] });
  await offer("+44 20 7946 0018", 1);
  await expect(page.getByTestId("ring-line")).toBeVisible();
  await expect(dial, "what was taken does not come back").toHaveValue("103");
  await offer("+44 20 7946 0018", 2);
  await expect(dial).toHaveValue("+44 20 7946 0018");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "dial", number: "+44 20 7946 0018" }]);
});

test("a call says who can listen in, as its own row does, and follows each change; bad sound stands out", async ({ desk, page }) => {
  const calls = [{ ...office.ownCall, security: null }];
  await desk.open(office.view({ live: { as_of: office.at, calls: office.few }, phone: { ...office.view().phone, calls } }));
  await expect(page.getByTestId("own-quality")).toHaveText("good");
  const bar = page.getByTestId("own-call").getByTestId("security");
  const rows = page.getByTestId("live-widget").getByTestId("security");
  await expect(bar.or(rows)).toHaveCount(0);
  for (const [security, words, means] of [
    ["verified", "Encrypted", /an authority vouches/],
    ["pinned", "Encrypted, pinned certificate", /No authority vouches .* the one that was compared and accepted here/],
    ["clear", "Not encrypted", /can listen in/],
  ] as const) {
    await desk.push({ phone: { ...office.view().phone, calls: [{ ...office.ownCall, security, quality: "poor: 8 % loss from you to Priya Nair" }] } });
    await expect(bar).toHaveText(words);
    await bar.hover();
    await expect(page.getByTestId("tip")).toHaveText(means);
    await expect(rows, "of this device's call alone").toHaveText(words);
    const row = page.getByTestId("live-row").filter({ has: page.getByTestId("security") });
    await expect(row).toHaveAttribute("data-call", "c1");
    await expect(row.getByRole("gridcell", { name: `${words} Priya Nair` })).toBeVisible();
  }
  // However long the name is, it stands beside the lock.
  await desk.push({ live: { as_of: office.at, reset: false, gone: [], changed: office.few.slice(0, 1).map((row) => ({ ...row, call: { ...row.call, caller: { name: office.longName, number: "+919812345678901" } } })) } });
  const name = page.getByTestId("live-row").getByText(office.longName);
  await expect(name).toBeVisible();
  const beside = (element: Element) => Math.abs(element.getBoundingClientRect().top - element.parentElement!.getBoundingClientRect().top);
  expect(await name.evaluate(beside)).toBeLessThan(4);
  await expect(page.getByTestId("own-quality")).toHaveText("poor: 8 % loss from you to Priya Nair");
  await expect(page.getByTestId("own-quality")).not.toHaveClass(/second/);
});

test("a ring never takes the focus, and is said once", async ({ desk, page }) => {
  await desk.open(office.view());
  await page.getByTestId("dial").fill("10");
  await desk.push({ rings: [office.ring] });
  await expect(page.getByTestId("announce-urgent")).toHaveText(/Internal transfer from Ravi Kumar\. Caller: Priya Nair\. Support\. Note: Refund/);
  await expect(page.getByTestId("dial")).toBeFocused();
  await page.getByTestId("announce-urgent").evaluate((element) => (element.textContent = ""));
  await desk.push({ rings: [{ ...office.ring, answering: true }] });
  await expect(page.getByTestId("ring-line-answer")).toHaveText("Answering…");
  await expect(page.getByTestId("announce-urgent")).toHaveText("");
});

test("a ring says who will be able to listen in, once that is known", async ({ desk, page }) => {
  await desk.open(office.view({ rings: [{ ...office.ring, security: null }] }), "ring.html");
  await expect(page.getByTestId("ring-caller")).toBeVisible();
  await expect(page.getByTestId("security")).toHaveCount(0);
  await desk.push({ rings: [{ ...office.ring, security: "verified" }] });
  await expect(page.getByTestId("security")).toHaveText("Encrypted");
  await desk.push({ rings: [{ ...office.ring, security: "clear" }] });
  await expect(page.getByTestId("security")).toHaveText("Not encrypted");
});

test("the ring window shows who transfers, who calls, and why; rings stack; each is said once", async ({ desk, page }) => {
  await page.setViewportSize({ width: 384, height: 342 });
  await desk.open(office.view({ rings: [office.ring] }), "ring.html");
  await expect(page.getByTestId("ring-headline")).toHaveText("Internal transfer from Ravi Kumar");
  await expect(page.getByTestId("ring-caller")).toHaveText("Priya Nair");
  await expect(page.getByTestId("ring-department")).toHaveText("Support");
  await expect(page.getByTestId("ring-note")).toContainText("Refund for order 4411");
  await expect(page.getByTestId("announce-urgent")).toHaveText(/Internal transfer from Ravi Kumar/);
  await desk.push({ rings: [office.ring, office.secondRing] });
  await expect(page.getByTestId("ring")).toHaveCount(2);
  await expect(page.getByTestId("announce-urgent")).toHaveText(/Back from Mina Shah/);
  await page.getByRole("button", { name: "Answer Priya Nair" }).click();
  await page.getByRole("button", { name: "Decline João Pereira" }).click();
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "answer", id: 7 }, { kind: "decline", id: 8 }]);
  const heights = (await desk.calls("fit_ring")).map((args) => Number(args.height));
  expect(heights.at(-1)).toBeGreaterThan(heights[0]!);
  await desk.push({ rings: [] });
  await expect(page.getByTestId("ring")).toHaveCount(0);
});

test("the ring window cuts no line, whatever the text size, the name and the note", async ({ desk, page }) => {
  await page.setViewportSize({ width: 384, height: 342 });
  await desk.largeText();
  const caller = { name: office.longName, number: "+919812345678901" };
  const long = { ...office.ring, headline: `Internal transfer from ${office.longName}`, caller, department: office.longName, note: "She waits since Tuesday. ".repeat(8).trim() };
  await desk.open(office.view({ rings: [long] }), "ring.html");
  await page.getByTestId("ring").waitFor();
  await desk.fitRing();
  const cut = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("main, main *")]
      .filter((each) => each.clientWidth > 0 && !each.closest(".unseen") && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1))
      .map((each) => each.outerHTML.slice(0, 100)));
  expect(cut).toEqual([]);
  expect(page.viewportSize()!.width).toBe(768);
  // The window may be shown with its guessed size only after it was fitted.
  const asked = (await desk.calls("fit_ring")).length;
  await page.setViewportSize({ width: 768, height: 342 });
  await expect.poll(async () => (await desk.calls("fit_ring")).length).toBeGreaterThan(asked);
});

test("a recall says what was tried; a colleague who wants to speak says about whom", async ({ desk, page }) => {
  await page.setViewportSize({ width: 384, height: 342 });
  const chained = { ...office.bouncing, call: { ...office.bouncing.call, id: "c8" } };
  await desk.open(office.view({ live: { as_of: office.at, calls: [chained] }, rings: [office.secondRing] }), "ring.html");
  await expect(page.getByTestId("ring-headline")).toHaveText("Back from Mina Shah: no answer after 20 s");
  await expect(page.getByTestId("ring-chain")).toHaveText("So far: rang Ravi 20\u00a0s, then Tom was busy");
  await desk.push({ rings: [office.consultRing] });
  await expect(page.getByTestId("ring-headline")).toHaveText("Ravi Kumar wants to speak with you about Priya Nair");
  await expect(page.getByTestId("announce-urgent")).toContainText("Ravi Kumar wants to speak with you about Priya Nair");
});

test("search, filters, details and back", async ({ desk, page }) => {
  await desk.open(office.view({ logs: office.logs(30) }));
  await page.getByTestId("log-row").first().waitFor();
  await page.keyboard.press("Control+f");
  await expect(page.getByTestId("log-search")).toBeFocused();
  await page.keyboard.type("p");
  await page.getByTestId("chip-missed").click();
  await expect.poll(() => desk.wishes()).toEqual([
    { kind: "search_logs", filter: { ...office.head().filter, text: "p" } },
    { kind: "search_logs", filter: { ...office.head().filter, text: "p", outcomes: ["missed"] } },
  ]);
  await page.getByTestId("log-row").first().focus();
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await desk.wishes()).at(-1)).toEqual({ kind: "open_details", call: office.moved.id });
  await desk.push({ details: { open: office.ready(office.moved) } });
  await expect(page.getByTestId("journey")).toContainText("Maya Lindqvist transferred to Ravi Kumar");
  await expect(page.getByTestId("journey")).toContainText("Ravi Kumar: no answer");
  await expect(page.getByTestId("journey")).toContainText("Mina Shah asked first, for a transfer to Lena Fischer");
  await expect(page.getByTestId("journey")).toContainText("Waited on hold while Lena Fischer was consulted");
  await expect(page.getByTestId("journey")).toContainText("Talking with +442079460812, outside");
  await expect(page.getByTestId("journey")).toContainText("Joined with João Pereira");
  await expect(page.getByTestId("audit-row").first()).toContainText("denied: not_your_call");
  await expect(page.getByTestId("audit-row").nth(3)).toContainText("Consult to Lena Fischer");
  await expect(page.getByTestId("audit-row").nth(4)).toContainText("Complete the transfer");
  await page.keyboard.press("Escape");
  await expect.poll(async () => (await desk.wishes()).at(-1)).toEqual({ kind: "close_details" });
});

test("offline says as of when, and keeps the calls readable", async ({ desk, page }) => {
  await desk.open(office.offline());
  await expect(page.getByTestId("offline-banner")).toHaveText(/As of .*\d\d:\d\d, offline\. What you see is 12:\d\d old\. The exchange does not answer\. Tried again at/);
  await expect(page.getByTestId("age")).toHaveText(/What you see is 12:[34]\d old\./);
  await expect(page.getByTestId("live-as-of")).toHaveText(/as of \d\d:\d\d:\d\d/);
  await expect(page.getByTestId("link-control")).toHaveText("not connected");
  await expect(page.getByTestId("log-row").first()).toBeVisible();
});

test("what is wrong with the exchange is said, and not any more when it is not", async ({ desk, page }) => {
  await desk.open(office.eventful());
  await expect(page.getByTestId("exchange-trouble")).toContainText("Call records can't be written: the disk is full.");
  await desk.push({ link: office.view().link });
  await expect(page.getByTestId("exchange-trouble")).toHaveCount(0);
});

test("presence, sound, light and dark", async ({ desk, page }) => {
  await desk.open(office.view());
  await page.getByTestId("presence").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("presence")).toBeFocused();
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("sound-ringer").selectOption("s1");
  await page.getByTestId("sound-cancel_echo").uncheck();
  const { choice } = office.view().sound;
  await expect.poll(() => desk.wishes()).toEqual([
    { kind: "set_presence", presence: "away" },
    { kind: "choose_sound", choice: { ...choice, ringer: "s1" } },
    { kind: "choose_sound", choice: { ...choice, cancel_echo: false } },
  ]);
  await page.getByTestId("theme-dark").check();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("hear yourself: each stage in words, the meters, what is wrong, and not during a call", async ({ desk, page }) => {
  const { sound, phone } = office.view();
  const at = (stage: SoundTestStage, verdicts: SoundVerdict[] = []) => desk.push({ sound: { ...sound, test: { stage, verdicts } } });
  await desk.open(office.view());
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("sound-test-start").click();
  await expect.poll(() => desk.wishes()).toEqual([{ kind: "test_sound" }]);
  const words = page.getByTestId("sound-test-words");
  for (const [stage, said] of [
    ["opening", "Opening microphone and speaker…"], ["beep", "Listen: the speaker beeps."],
    ["listening", "Now speak"], ["playing", "This is how callers hear you."],
  ] as const) {
    await at(stage);
    await expect(words).toContainText(said);
  }
  await desk.levels(-30, -100);
  await expect(page.getByTestId("meter-microphone")).toHaveAttribute("aria-valuenow", "50");
  await expect(page.getByTestId("meter-speaker")).toHaveAttribute("aria-valuetext", "silent");
  await desk.levels(-2, -100);
  await expect(page.getByTestId("meter-microphone")).toHaveAttribute("aria-valuetext", "very loud");
  await page.getByTestId("sound-test-stop").click();
  await expect.poll(async () => (await desk.wishes()).at(-1)).toEqual({ kind: "end_sound_test" });
  await at("done", [
    { tone: "bad", sentence: "The microphone is silent. Is it muted, on the headset or in the system's sound settings?" },
    { tone: "plain", sentence: "The speaker takes the sound." },
  ]);
  await expect(words.getByRole("listitem")).toHaveCount(2);
  await expect(page.getByTestId("meter-microphone")).toHaveCount(0);
  await expect(page.getByTestId("sound-test-start")).toHaveText("Test again");

  await desk.push({ sound, phone: { ...phone, calls: [office.ownCall] } });
  await expect(page.getByTestId("sound-test")).toContainText("Not during a call.");
  await expect(page.getByTestId("meter-microphone")).toBeVisible();
  const before = (await desk.wishes()).length;
  await page.getByTestId("sound-test-start").click({ force: true });
  expect((await desk.wishes()).length).toBe(before);
  // Whoever leaves the page does not watch any more.
  await page.getByTestId("nav-logs").click();
  await expect.poll(async () => (await desk.calls("unwatch_levels")).length).toBeGreaterThan(0);
});

test("a headset's buttons work, or why they don't", async ({ desk, page }) => {
  const { sound } = office.view();
  await desk.open(office.view({ sound: { ...sound, headset: { name: "Ear 20", trouble: null } } }));
  await page.getByTestId("nav-settings").click();
  await expect(page.getByTestId("headset")).toContainText("Answer, hang up, mute and hold on Ear 20");
  await desk.push({ sound: { ...sound, headset: { name: "Ear 20", trouble: "The buttons of Ear 20 can't be used: this program may not open /dev/hidraw3." } } });
  await expect(page.getByTestId("headset")).toContainText("may not open /dev/hidraw3");
  await desk.push({ sound });
  await expect(page.getByTestId("headset")).toHaveCount(0);
});
