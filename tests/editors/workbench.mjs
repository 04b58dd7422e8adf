// Drives the VS Code workbench in a headless browser, by commands on standard input, one JSON object a line:
// {"do": "type", "text": "…"} and so on; each is answered by one JSON line. Asserts nothing.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, chromium, url] = process.argv.slice(2);
const { chromium: launcher } = createRequire(`${modules}/`)("playwright-core");

const browser = await launcher.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage({ viewport: { width: 1000, height: 640 } });
const texts = (selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent));

const STATUS = ".statusbar-item[id='aix-lsp.aix-lsp.aix-lsp']";
// Lines after the first are a view line each.
const GHOST = ".ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text .view-line";

// Every state of the ghost text that the page has shown, in order. Lines after the first lie in a zone of their own,
// anywhere in the tree: where they stand on the screen tells their order.
await page.addInitScript((GHOST) => {
  window.ghosts = [];
  const look = () => {
    const lines = new Map();
    for (const part of document.querySelectorAll(GHOST)) {
      const place = part.getBoundingClientRect();
      const top = Math.round(place.top / 4);
      lines.set(top, [...(lines.get(top) ?? []), [place.left, part.textContent.replaceAll("\u00a0", " ")]]);
    }
    const now = [...lines.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, parts]) => parts.sort(([a], [b]) => a - b).map(([, text]) => text).join(""))
      .join("\n");
    if (window.ghosts.at(-1) !== now) window.ghosts.push(now);
    afterFrame();
  };
  // Within a frame the zone may be there before the line: what counts is what has been painted.
  const afterFrame = () => requestAnimationFrame(() => setTimeout(look));
  afterFrame();
}, GHOST);

const actions = {
  open: async () => {
    await page.goto(url);
    await page.waitForSelector(".monaco-editor .view-line, .monaco-dialog-box", { timeout: 90_000 });
    if (!(await page.$(".monaco-dialog-box"))) await page.click(".monaco-editor .view-lines");
  },
  type: async ({ text, delay }) => page.keyboard.type(text, { delay: delay ?? 0 }),
  // Unlike typing, a paste brings no suggestion. The event is our own: a browser without a window has no clipboard.
  paste: async ({ text }) =>
    page.evaluate((text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", text);
      document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, text),
  press: async ({ key }) => page.keyboard.press(key),
  ghost: async () => page.evaluate(() => window.ghosts.at(-1) ?? ""),
  ghosts: async () => page.evaluate(() => window.ghosts),
  forget: async () => page.evaluate(() => void window.ghosts.splice(0)),
  lines: async () => (await texts(".monaco-editor .view-line")).map((line) => line.replaceAll("\u00a0", " ")),
  popup: async () => texts(".suggest-widget.visible .monaco-list-row"),
  status: async () => page.$eval(STATUS, (one) => one.textContent).catch(() => ""),
  statusbar: async () => page.$$eval(".statusbar-item", (all) => all.map((one) => [one.id, one.textContent])),
  command: async ({ title }) => {
    await page.keyboard.press("F1");
    await page.waitForSelector(".quick-input-widget input");
    await page.keyboard.type(title);
    await page.waitForSelector(".quick-input-list .monaco-list-row.focused");
    await page.keyboard.press("Enter");
  },
  quickpick: async () => texts(".quick-input-list .monaco-list-row .label-name"),
  click: async ({ selector, text }) =>
    void (await (text ? page.locator(selector, { hasText: text }) : page.locator(selector)).first().click({ timeout: 60_000 })),
  channel: async () =>
    page.$eval(".part.panel select", (one) => one.options[one.selectedIndex].textContent).catch(() => ""),
  hoverStatus: async () => page.hover(STATUS),
  fill: async ({ text }) => page.fill(".quick-input-widget input", text),
  texts: async ({ selector }) => texts(selector),
  screenshot: async ({ path }) => void (await page.screenshot({ path })),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: (await actions[request.do](request)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
