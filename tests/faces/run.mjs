// Goes through each journey of journeys/*.mjs in a browser of its own, in the order of their names, and fails where
// a page asks for anything elsewhere, runs into its own policy, violates axe, is too wide for a phone, or too heavy.
//
// A journey exports `title` and `journey(browser)`, see Visit below for what it is given. What one journey does to
// the mirror is there for the next, as it would be for people.

import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

import { small } from './small_png.mjs';

const world = JSON.parse(process.env.FACES);
const require = createRequire(path.join(world.modules, 'faces.cjs'));
const { chromium } = require('playwright-core');
const axeSource = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

const WIDE = { width: 860, height: 640 };
const PHONE = { width: 360, height: 640 };
const LIGHTS = [
  ['light', WIDE, 'light'],
  ['dark', WIDE, 'dark'],
  ['phone', PHONE, 'light'],
];
const HEAVIEST_BYTES = 50_000;

/** A person's browser on their way through the pages. */
class Visit {
  constructor(context, page, problems) {
    this.context = context;
    this.page = page;
    this.problems = problems;
    this.world = world;
  }

  /** Open a page of ours. */
  async open(address) {
    return this.page.goto(world.address + address, { waitUntil: 'load' });
  }

  /** Fail unless these words can be read. */
  async reads(...words) {
    const text = (await this.page.locator('body').innerText()).replace(/\s+/g, ' ');
    for (const expected of words) {
      if (!text.includes(expected)) throw new Error(`"${expected}" is not on ${this.page.url()}:\n${text}`);
    }
  }

  /** Press a button or follow a link by its words. */
  async press(words) {
    const found = this.page.getByRole('button', { name: words }).or(this.page.getByRole('link', { name: words }));
    await found.first().click();
    await this.page.waitForLoadState('load');
  }

  /** At ipernity: be this member, and allow. The page that comes is ours again. */
  async allowAs(member) {
    await this.page.waitForURL(`${world.site}/**`);
    const name = world.members[member];
    const choice = this.page.locator(`button[name="cookie"][value="${name.cookie}"]`);
    if (await choice.count()) {
      await choice.click();
      await this.page.waitForLoadState('load');
    }
    await this.page.getByRole('button', { name: 'Allow' }).click();
    await this.page.waitForURL(`${world.address}/**`);
    await this.page.waitForLoadState('load');
  }

  /** Sign in through ipernity. */
  async signIn(member) {
    await this.open('/me');
    await this.press('Sign in through ipernity');
    await this.allowAs(member);
  }

  /** Load an address again until the words are there. */
  async until(address, words, seconds = 30) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      await this.open(address);
      const text = (await this.page.locator('body').innerText()).replace(/\s+/g, ' ');
      if (words instanceof RegExp ? words.test(text) : text.includes(words)) return;
      if (Date.now() > end) throw new Error(`waited in vain for ${words} on ${address}:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** Run a command of ours, e.g. `command('removal', 'list', '--json')`; give what it printed. */
  async command(...words) {
    const [program, ...rest] = world.command;
    const environ = { ...process.env, ...world.environ };
    return new Promise((resolve, reject) => {
      execFile(program, [...rest, ...words], { env: environ }, (error, out, told) => {
        if (error) reject(new Error(`${words.join(' ')}: ${out}${told}`));
        else resolve(out);
      });
    });
  }

  /** Have axe look at the page as it is, in both lights and on a phone; with a name, keep pictures of it, from `at` on. */
  async look(name = '', at = 'body') {
    for (const [light, size, scheme] of LIGHTS) {
      await this.page.setViewportSize(size);
      await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await this.check(light);
      if (name && world.pictures) {
        await this.page.locator(at).first().evaluate((element) => element.scrollIntoView({ block: 'start' }));
        const taken = await this.page.screenshot();
        await writeFile(path.join(world.pictures, `${name}-${light}.png`), small(taken));
      }
    }
    await this.page.setViewportSize(WIDE);
    await this.page.emulateMedia({ colorScheme: 'light' });
  }

  async check(light) {
    const where = `${new URL(this.page.url()).pathname} (${light})`;
    await this.page.evaluate(axeSource);
    const found = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    for (const violation of found.violations) {
      const nodes = violation.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n    ');
      this.problems.push(`${where}: axe ${violation.id}: ${violation.help}\n    ${nodes}`);
    }
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) this.problems.push(`${where}: ${wide} pixels too wide`);
    const bytes = await this.page.evaluate(() => new Blob([document.documentElement.outerHTML]).size);
    if (bytes > HEAVIEST_BYTES) this.problems.push(`${where}: ${bytes} bytes`);
  }
}

async function go(browser, file) {
  const { title, journey } = await import(path.join(world.journeys, file));
  const problems = [];
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(`script: ${error}`));
  page.on('console', (message) => {
    // A page that was to be refused says so in the console too.
    const is_status = message.text().startsWith('Failed to load resource: the server responded with a status of 4');
    if (message.type() === 'error' && !is_status) problems.push(`console: ${message.text()} at ${page.url()}`);
  });
  page.on('request', (request) => {
    const from = new URL(request.url()).origin;
    if (from !== world.address && from !== world.site && !request.url().startsWith('data:')) {
      problems.push(`${page.url()} asked ${from}`);
    }
  });
  try {
    await journey(new Visit(context, page, problems));
  } catch (error) {
    problems.push(String(error.stack ?? error));
  }
  await context.close();
  console.log(`${problems.length ? 'FAILED' : 'ok'}  ${title}`);
  for (const problem of problems) console.log(`  ${problem}`);
  return problems.length === 0;
}

if (world.pictures) await mkdir(world.pictures, { recursive: true });
const files = (await readdir(world.journeys)).filter((file) => file.endsWith('.mjs') && file.includes(world.only)).sort();
const browser = await chromium.launch({
  executablePath: world.chromium,
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});
let passed = 0;
for (const file of files) passed += await go(browser, file);
await browser.close();
console.log(`${passed} passed, ${files.length - passed} failed`);
process.exit(passed === files.length && files.length > 0 ? 0 : 1);
