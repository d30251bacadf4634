// Opens the console page in Chromium as it is told in CONSOLE (JSON), and prints what it found as one JSON line:
// problems (a script that fails, a request elsewhere, what axe says, a page that is too wide), the figures that are
// drawn, and the words of the page.

import { createRequire } from 'node:module';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { small } from '../faces/small_png.mjs';

const told = JSON.parse(process.env.CONSOLE);
const require = createRequire(path.join(told.modules, 'console.cjs'));
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: told.chromium,
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});
const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
const page = await context.newPage();
const problems = [];
page.on('pageerror', (error) => problems.push(`script: ${error}`));
page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`));
page.on('request', (request) => {
  const from = new URL(request.url()).origin;
  if (from !== new URL(told.page).origin && !request.url().startsWith('data:')) problems.push(`asked ${request.url()}`);
});
await page.goto(told.page, { waitUntil: 'networkidle' });
const figures = await page.locator('figure').evaluateAll((found) =>
  found.map((figure) => [figure.querySelector('figcaption').textContent, figure.dataset.drawn ?? 'failed', figure.innerText]));
for (const [name, width, colorScheme] of [['light', 1200, 'light'], ['dark', 1200, 'dark'], ['phone', 360, 'light']]) {
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const { id, help, nodes } of violations) problems.push(`${name}: axe ${id}: ${help}: ${nodes[0].html}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) problems.push(`${name}: ${wide} pixels too wide`);
  if (told.pictures) {
    const taken = await page.screenshot({ fullPage: name === 'light' });
    await writeFile(path.join(told.pictures, `${told.name}-${name}.png`), small(taken));
  }
}
const text = await page.locator('main').innerText();
await browser.close();
console.log(JSON.stringify({ problems, figures, text }));
