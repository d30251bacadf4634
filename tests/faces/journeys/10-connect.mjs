export const title = 'A member reads what connecting means, connects at ipernity, and sees what was granted';

export async function journey(visit) {
  await visit.open('/connect');
  await visit.reads('Let Evening Light Archive keep copies of your work', 'Your password stays with ipernity');
  // The first keys lead back to ipernity, then past everything to the content.
  await visit.page.keyboard.press('Tab');
  await visit.page.keyboard.press('Tab');
  const focused = await visit.page.evaluate(() => document.activeElement.className);
  if (focused !== 'skip') throw new Error(`the second key focuses ${focused}`);
  await visit.open('/connect');
  await visit.look('connect');
  await visit.press('Go on to ipernity');
  await visit.allowAs(0);
  if (visit.page.url() !== `${visit.world.address}/connect/done`) throw new Error(`ended at ${visit.page.url()}`);
  await visit.reads('You are connected.', 'That is what is needed, and no more.');
  await visit.look('connected');
  await visit.open('/connect/ended?why=stale');
  await visit.reads('This took too long');
  await visit.look();
  await visit.open('/privacy');
  await visit.look('privacy');
}
