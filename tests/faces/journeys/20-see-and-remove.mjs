export const title = 'A member signs in, sees what is kept, has one copy removed, then all, and reads the receipts';

export async function journey(visit) {
  const { page } = visit;
  await visit.open('/me');
  await visit.look('sign-in');
  await visit.signIn(0);
  await visit.reads('What is kept of yours', 'Signed in as');
  // The daemon was told at once; files follow.
  await visit.until('/me', /with [1-9]\d* files/);
  const loaded = async () => page.evaluate(() => [...document.images].every((image) => image.complete && image.naturalWidth));
  for (let tries = 0; tries < 40; tries += 1) {
    await visit.open('/me');
    if ((await page.locator('.card img').count()) === (await page.locator('.card').count()) && (await loaded())) break;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  if (!(await page.locator('.card img').count())) throw new Error('no picture is shown');
  await visit.look('me');
  await visit.look('me-works', '.cards');
  const before = await page.locator('.card').count();
  await page.locator('.card').first().getByRole('link', { name: /^Remove the copy of/ }).click();
  await visit.reads('Only the copy here goes.');
  await visit.look('remove');
  const begun = Date.now();
  await visit.press('Remove the copy');
  await visit.reads('It is hidden, and being erased.', 'the request stands');
  if (Date.now() - begun > 5000) throw new Error('hiding took too long');
  await visit.look('receipts');
  await visit.until('/me/receipts', /Gone 20\d\d/);
  await visit.open('/me');
  if ((await page.locator('.card').count()) !== before - 1) throw new Error('the copy is still listed');
  await visit.press('Remove all copies');
  await visit.reads('You stay connected', 'Only the copies here go.');
  await visit.look();
  await visit.press('Keep them');
  await visit.press('Sign out');
  await visit.reads('See what is kept of yours');
}
