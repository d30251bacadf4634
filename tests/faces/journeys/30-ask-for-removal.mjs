export const title = 'Somebody asks for a removal without an account; then the owner asks, and it is hidden at once';

export async function journey(visit) {
  const { page } = visit;
  await visit.open('/removals');
  await visit.reads('Ask for a removal', 'nothing at ipernity is changed');
  await visit.look('removals');
  await page.getByLabel('Link to the work').fill('https://example.org/not-a-work');
  await visit.press('Ask for its removal');
  await visit.reads('This is a page of another site');
  await visit.look('removals-wrong');
  await page.getByLabel('Link to the work').fill('https://www.ipernity.com/doc/31337/41234567');
  await page.getByLabel('How to reach you').fill('olga@example.org');
  await visit.press('Ask for its removal');
  await visit.reads('Your request: Waiting for the operator', 'Work 41234567');
  await visit.look('removal-waits');
  await page.reload();
  await visit.reads('Waiting for the operator');

  if (!/\/removals\/[\w-]{32}$/.test(page.url())) throw new Error(`the page of the request is ${page.url()}`);

  // The owner of a work signs in; then nobody has to decide.
  await visit.signIn(0);
  const link = await page.locator('.card a[href*="document="]').first().getAttribute('href');
  const [, number] = /document=(\d+)/.exec(link);
  await visit.open('/removals');
  await visit.reads('You are signed in.');
  await page.getByLabel('Link to the work').fill(number);
  await visit.press('Remove the copy');
  await visit.reads(`Work ${number}`, 'Your request: ');
  await visit.until(new URL(page.url()).pathname, 'Your request: Erased');
  await visit.look('removal-done');
}
