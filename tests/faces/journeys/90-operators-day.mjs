export const title = "The operator's day: sign in, see that all is well, act on an account, file a request, hold a drill, sign out";

/** The page is live: wait until it says so without being loaded again. */
async function says(page, words, seconds = 30) {
  await page.waitForFunction((expected) => document.body.innerText.replace(/\s+/g, ' ').includes(expected), words, {
    timeout: seconds * 1000,
  });
}

export async function journey(visit) {
  const { page, world } = visit;
  // Somebody is connected, and something is kept.
  await visit.open('/connect');
  await visit.press('Go on to ipernity');
  await visit.allowAs(2);
  await visit.until('/me', /with [1-9]\d* files/);
  await visit.context.clearCookies();

  await visit.open('/status');
  await visit.reads('Sign in as the operator');
  await visit.look();
  await page.getByLabel('Admin token').fill('wrong');
  await visit.press('Sign in');
  await visit.reads('This is not the admin token.');
  await page.getByLabel('Admin token').fill(world.adminToken);
  await visit.press('Sign in');
  await visit.reads('Are we within the 24 hours?', 'How we know:', 'Leases by age', 'Removals by stage', 'Requests to ipernity');
  await says(page, 'Live: this page follows what happens.');
  await page.waitForSelector('.plot rect.served');
  await visit.look('status');
  await visit.look('status-ages', '.columns');
  await visit.look();

  // Paused elsewhere, the page knows without being loaded again.
  const number = String(world.members[2].user_id);
  await visit.command('account', 'pause', number);
  await says(page, 'paused');
  await page.getByRole('link', { name: number }).first().click();
  await visit.reads('Paused: it is not read any more');
  await visit.look('status-account');
  await visit.press('Resume');
  await visit.reads('It is read again at once.');
  await visit.press('Resume');
  await visit.reads('Active:');
  await visit.press('Check');
  await visit.reads('ipernity is asked now');
  await visit.look();
  await visit.press('Check');
  await visit.reads('Active:');

  // What an earlier journey asked without an account waits to be decided.
  await visit.open('/status/petitions');
  await visit.reads('Petitions', 'What nobody decides in time is complied with.');
  await visit.look();
  const decline = page.getByRole('link', { name: /^Decline petition/ });
  if (await decline.count()) {
    await decline.first().click();
    await visit.reads('Decline petition', 'What it names stays where it is.');
    await visit.look();
    await visit.press('Decline');
    await visit.reads('Nobody waits for a decision.');
  }

  await visit.open('/status');
  await visit.press('Hold a drill');
  await visit.reads('It would take document');
  await visit.look();
  await visit.press('Begin the drill');
  await says(page, 'Hidden and erased in time, and mirrored again.', 60);
  await visit.look('status-drill-over');

  const listed = await (await page.request.get(`${world.address}/v1/documents?account=${number}`, {
    headers: { Authorization: `Bearer ${world.adminToken}` },
  })).json();
  const document = listed.documents[0].document_id;
  await visit.open('/status');
  await visit.press('File a removal request');
  await page.getByLabel('Document: its number').fill(`${world.site}/doc/${number}/${document}`);
  await visit.look();
  await visit.press('Look what would go');
  await visit.reads(`Remove document ${document}?`, 'Documents held 1');
  await visit.look('status-removal-confirm');
  await visit.press(`Remove document ${document}`);
  await visit.reads(`Request`, `document ${document}`);
  await visit.until(new URL(page.url()).pathname, 'Gone: everything of it was erased');
  await visit.look();

  await visit.open('/status');
  await visit.press('Sign out');
  await visit.reads('Sign in as the operator');
  await visit.open('/status');
  await visit.reads('Sign in as the operator');
}
