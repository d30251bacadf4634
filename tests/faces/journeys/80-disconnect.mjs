export const title = 'A member disconnects: everything goes, and the receipts stay';

export async function journey(visit) {
  await visit.signIn(0);
  await visit.press('Disconnect');
  await visit.reads('Disconnect, and let everything go?', 'Your works at ipernity stay as they are.');
  await visit.look('disconnect');
  await visit.press('Disconnect');
  await visit.reads('Your permission is forgotten here.');
  await visit.look();
  await visit.until('/me', 'nothing of yours is kept');
  await visit.look();
  await visit.until('/me/receipts', /everything Asked .* Gone 20\d\d/);
  const answer = await visit.open('/me/remove?document=1');
  if (answer.status() !== 404) throw new Error(`answered ${answer.status()}`);
  await visit.look();
}
