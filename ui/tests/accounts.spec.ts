// Plain SIP accounts: without an exchange, beside one, and what a call of one can do.
import { expect, test } from "./desk";
import * as office from "./office";

test("an address and a password are enough to sign in", async ({ desk, page }) => {
  await desk.open(office.signedOut());
  await page.getByTestId("where-sip").check();
  await page.getByTestId("account-address").fill("ana@example.com");
  await page.getByTestId("account-password").fill("right");
  await page.getByTestId("account-save").click();
  const [saved] = await desk.calls("save_account");
  expect(saved).toMatchObject({ password: "right", settings: { key: "", address: "ana@example.com", transport: "auto", codecs: ["opus", "g722", "pcma", "pcmu"] } });

  await desk.push({ accounts: { list: [], from: null, fault: "\"ana\" is no SIP address. Write it as name@example.com.", saved: 0 } });
  await expect(page.getByTestId("account-fault")).toContainText("name@example.com");
  await desk.push({ accounts: { list: [office.account()], from: "k1", fault: null, saved: 1 } });
  await expect(page.getByTestId("phone")).toBeVisible();
});

test("what can't be pressed yet can be read, also beneath the pointer", async ({ desk, page }) => {
  await desk.open(office.signedOut());
  const colours = () => page.getByRole("button", { name: "Sign in" }).evaluate((button) => {
    const { color, backgroundColor } = getComputedStyle(button);
    return { color, backgroundColor };
  });
  const before = await colours();
  await page.getByRole("button", { name: "Sign in" }).hover();
  expect(await colours()).toEqual(before);
});

test("without an exchange nothing is said to be kept there, and a transfer wants a number", async ({ desk, page }) => {
  await desk.open({ ...office.plainBusy(), dialog: { ...office.plainDialog, body: { kind: "ready", outside: { right: "allowed" }, targets: [] } } });
  await expect(page.getByTestId("transfer-dialog")).toContainText("Write the number to which the call goes.");
  await page.getByTestId("transfer-search").fill("205");
  await expect(page.getByTestId("target")).toHaveText(/Dial 205/);
  await desk.push({ dialog: { open: null } });
  await page.getByTestId("nav-settings").click();
  await expect(page.getByTestId("keeping")).toContainText("Older ones are removed for good");
});

test("codecs are put in another order by keys", async ({ desk, page }) => {
  await desk.open(office.plain());
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("account-change").click();
  await page.getByTestId("account-more").locator("summary").press("Enter");
  await page.getByTestId("account-codec").nth(2).getByTestId("codec-up").press("Enter");
  await page.getByTestId("account-codec").nth(1).getByTestId("codec-up").press("Enter");
  await page.getByTestId("account-save").press("Enter");
  const [saved] = await desk.calls("save_account");
  expect(saved).toMatchObject({ password: "", settings: { key: "k1", codecs: ["pcma", "opus", "g722", "pcmu"] } });
});

test("encryption is chosen for the account, and what comes of it is said", async ({ desk, page }) => {
  await desk.open(office.plain());
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("account-change").click();
  await page.getByTestId("account-more").locator("summary").click();
  const chosen = page.getByTestId("account-encryption");
  await expect(chosen).toHaveValue("when_possible");
  await page.getByTestId("account-transport").selectOption("tls");
  await chosen.selectOption("required");
  await expect(chosen).toHaveAccessibleDescription("Calls that cannot be encrypted are refused.");
  await page.getByTestId("account-transport").selectOption("udp");
  await expect(chosen).toHaveAccessibleDescription("No call is possible over this transport: choose TLS.");
  await chosen.selectOption("off");
  await expect(chosen).toHaveAccessibleDescription("Sound is never encrypted.");
  await page.getByTestId("account-save").click();
  expect((await desk.calls("save_account"))[0]).toMatchObject({ settings: { key: "k1", transport: "udp", encryption: "off" } });
});

test("without an exchange the desk is there, and says what needs one", async ({ desk, page }) => {
  await desk.open(office.plainBusy());
  await expect(page.getByTestId("own-call").getByTestId("account-chip")).toContainText("Shop");
  await expect(page.getByTestId("ring-line").getByTestId("account-chip")).toContainText("Shop");
  await expect(page.getByTestId("live-row")).toContainText("Shop");
  await expect(page.getByTestId("logs-sync")).toHaveText("Kept on this computer");
  await page.getByTestId("mailbox").click();
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("abilities").locator("summary").click();
  await expect(page.getByTestId("abilities")).toContainText("Not offered. Calls of others, departments and their queues: a Patchcord exchange is needed");
  await page.getByTestId("join").click();
  await expect(page.getByTestId("sign-in-address")).toBeVisible();
  await page.getByTestId("sign-in-back").click();
  await expect(page.getByTestId("phone")).toBeVisible();
  expect(await desk.wishes()).toEqual([{ kind: "call_mailbox", account: "k1" }]);
});

test("a call of a plain account is handed to any number, without a note that nobody would carry", async ({ desk, page }) => {
  await desk.open(office.plainBusy());
  await page.keyboard.press("Control+Shift+T");
  await desk.push({ dialog: { open: office.plainDialog } });
  await expect(page.getByTestId("transfer-system")).toContainText("up to that system");
  await expect(page.getByTestId("transfer-note")).toHaveCount(0);
  await expect(page.getByTestId("target")).toContainText("on a call");
  await page.getByTestId("transfer-search").fill("*31");
  await page.keyboard.press("Enter");
  expect(await desk.wishes()).toEqual([
    { kind: "open_transfer", call: "own-1" },
    { kind: "ask_number", call: "own-1", number: "*31" },
    { kind: "transfer", call: "own-1", revision: 3, target: { kind: "outside", id: "*31" }, transfer: "blind", note: null },
  ]);
});

test("one of several accounts is chosen to call from, and a refused one says what to do", async ({ desk, page }) => {
  await desk.open(office.several());
  await expect(page.getByTestId("account-down")).toContainText("Press Change");
  const from = page.getByTestId("dial-from");
  await expect(from.locator("option")).toHaveText(["From Northwind Desk", "From Shop", "From sip.provider.example"]);
  await from.selectOption({ label: "From Northwind Desk" });
  expect(await desk.wishes()).toEqual([{ kind: "choose_from", account: null }]);
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("account-remove").nth(1).click();
  await page.getByTestId("account-remove-sure").click();
  expect((await desk.wishes()).at(-1)).toEqual({ kind: "remove_account", account: "k2" });
});

test("what is written about a plain account's call beside an exchange is nobody else's", async ({ desk, page }) => {
  await desk.open({ ...office.several(), details: office.ready({ ...office.full, remarks: null, audit: [] }, null, { only_here: true }) });
  await expect(page.getByTestId("remarks-note")).toHaveAttribute("placeholder", "A note for yourself");
  await expect(page.getByTestId("audit")).toContainText("Only an exchange keeps one");
  await expect(page.getByTestId("identifiers")).toContainText("ExchangeNone");
  await desk.push({ details: { open: office.ready() } });
  await expect(page.getByTestId("remarks-note")).toHaveAttribute("placeholder", "A note for everyone who may see this call");
});

test("what is wrong with an account leads to where it is put right, and is not said twice there", async ({ desk, page }) => {
  await desk.open(office.several());
  await page.getByTestId("account-put-right").click();
  await expect(page.getByTestId("account-down")).toHaveCount(0);
  await expect(page.getByTestId("account-form")).toHaveCount(1);
  await expect(page.getByTestId("account").nth(1).getByTestId("account-address")).toBeFocused();
  await expect(page.getByTestId("account").nth(1)).toBeInViewport();
  await page.getByTestId("nav-logs").click();
  await desk.push({ accounts: office.unknownCertificate().accounts });
  await page.getByRole("button", { name: "Compare the certificate of Shop" }).click();
  await expect(page.getByTestId("account-accept")).toBeFocused();
  await expect(page.getByTestId("account-form")).toHaveCount(0);
});

test("the phone says whether it waits or can't call", async ({ desk, page }) => {
  const { accounts } = office.plain();
  const stands = (state: (typeof accounts.list)[0]["state"]) => ({ accounts: { ...accounts, list: [{ ...accounts.list[0]!, state }] } });
  await desk.open(office.plain(stands({ kind: "connecting" })));
  await expect(page.getByTestId("phone")).toContainText("Shop is registering: it can call in a moment.");
  await desk.push(stands({ kind: "up" }));
  await expect(page.getByTestId("phone")).toContainText("Your phone is ready.");
  await desk.push(stands({ kind: "down", since: office.at, why: "It does not answer.", retry_at: null }));
  await expect(page.getByTestId("phone")).toContainText("Shop is not registered, so it can't call now.");
});

test("an unknown certificate is compared before it is accepted", async ({ desk, page }) => {
  await desk.open(office.unknownCertificate());
  await page.getByTestId("nav-settings").click();
  await expect(page.getByTestId("account-fingerprint")).toContainText("3A7F");
  await page.getByTestId("account-accept").click();
  expect(await desk.wishes()).toEqual([{ kind: "accept_account_certificate", account: "k1" }]);
});

test("lines are watched and left alone", async ({ desk, page }) => {
  await desk.open(office.plain());
  await expect(page.getByTestId("lines")).toContainText("On a call");
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("watch-number").fill("206");
  await page.getByTestId("watch-name").fill("Mina");
  await page.getByTestId("watch-add").click();
  await page.getByTestId("unwatch").first().click();
  expect(await desk.wishes()).toEqual([
    { kind: "watch_line", account: "k1", number: "206", name: "Mina" },
    { kind: "unwatch_line", account: "k1", number: "204" },
  ]);
});
